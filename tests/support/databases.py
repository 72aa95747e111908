"""Fresh databases on a real PostgreSQL, as many as tests ask for."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.runtime.supervisor.databases import DatabaseUrls, create_database, drop_database

DatabaseFactory = Callable[[str], DatabaseUrls]
"""Called with a name, makes an empty database of about that name and its two roles."""


@contextmanager
def fresh_databases(admin_url: str) -> Iterator[DatabaseFactory]:
    """A factory whose databases and roles are removed at the end."""
    made: list[str] = []

    def create(name: str) -> DatabaseUrls:
        unique = f"{name}_{secrets.token_hex(4)}"
        made.append(unique)
        roles = (f"{unique}_owner", f"{unique}_service")
        return create_database(admin_url, unique, {r: secrets.token_hex(8) for r in roles})

    try:
        yield create
    finally:
        for name in made:
            drop_database(admin_url, name)
