"""How reports become durable: many of them in one transaction, each counted once."""
