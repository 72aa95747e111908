"""The supervisor of a local mesh: PostgreSQL, certificates, and the services as processes."""
