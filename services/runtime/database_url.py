"""Where a database is, as SQLAlchemy reads it."""

from pydantic import SecretStr
from sqlalchemy import URL, make_url


def database_url(url: str | SecretStr) -> URL:
    """The URL for SQLAlchemy with psycopg, from postgresql:// or postgresql+psycopg://.

    Raises ValueError for a URL of another database.
    """
    parsed = make_url(url.get_secret_value() if isinstance(url, SecretStr) else url)
    if parsed.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError(f"{parsed.drivername}:// is not supported; use postgresql://")
    return parsed.set(drivername="postgresql+psycopg")
