"""Alembic, configured in code: no alembic.ini, each service's migrations in its own package.

A service that has tables has
    services/<name>/migrations/__init__.py              empty
    services/<name>/migrations/env.py                   two lines:
        from services.runtime.migrations import run_migrations
        run_migrations()
    services/<name>/migrations/versions/NNNN_<what>.py  one change each

A new one: `python -m services.runtime.migrations services.<name> "what it does"` writes the next
file; its docstring has the rules. Every service upgrades its database when it starts; of several
that start at once one does the work and the others wait.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from alembic import command, context, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from services.runtime.database_url import database_url

# "watersme" as a number; one lock a database is enough.
_LOCK = 0x7761746572736D65
_WAIT_FOR_OTHERS = "60s"
# A change that cannot have its lock soon must not keep everybody else waiting behind it.
_WAIT_FOR_TABLE = "5s"

_TEMPLATE = '''"""{message}

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "{revision}"
down_revision = {down_revision!r}


def upgrade() -> None:
    """Applies the change."""
'''


def upgrade(package: str, url: str | SecretStr, *, service_role: str | None = None) -> None:
    """Brings the database at url to the newest migration of package, say "services.ledger".

    url: with the role that owns the tables. service_role: who is granted rights on them (`grant`);
    None if the owner itself serves. Blocks: call it before the event loop runs, or in a thread.
    All that is missing is one transaction. Raises SQLAlchemy's errors.
    """
    engine = create_engine(
        database_url(url),
        poolclass=NullPool,
        connect_args={"application_name": "watersmeet-migrations", "connect_timeout": 5},
    )
    try:
        with engine.connect() as connection:
            _lock(connection)
            config = _config(package)
            config.attributes["connection"] = connection
            config.attributes["service_role"] = service_role
            command.upgrade(config, "head")
    finally:
        engine.dispose()  # and with the connection goes the lock


def run_migrations() -> None:
    """What a package's env.py calls: runs the migrations on the connection that `upgrade` made."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


def service_role() -> str | None:
    """The role that the running migrations grant rights to; None if the owner itself serves."""
    role: str | None = context.config.attributes["service_role"]
    return role


def grant(privileges: str, *tables: str) -> None:
    """In a migration: grants, say, "SELECT, INSERT" on tables to the service's role, if any.

    Sequences behind identity columns need no grant of their own.
    """
    role = service_role()
    if role is None:
        return
    quote = op.get_bind().dialect.identifier_preparer.quote
    names = ", ".join(map(quote, tables))
    op.execute(f"GRANT {privileges} ON {names} TO {quote(role)}")


def new_migration(package: str, message: str) -> Path:
    """Writes the package's next, empty migration and returns its path."""
    scripts = ScriptDirectory.from_config(_config(package))
    head = scripts.get_current_head()
    revision = f"{int(head or 0) + 1:04}"
    slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:40]
    path = Path(scripts.versions) / f"{revision}_{slug}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        _TEMPLATE.format(message=message, revision=revision, down_revision=head), encoding="utf-8"
    )
    return path


def _config(package: str) -> Config:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    return config


def _lock(connection: Connection) -> None:
    connection.execute(text(f"SET lock_timeout = '{_WAIT_FOR_OTHERS}'"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    connection.execute(text(f"SET lock_timeout = '{_WAIT_FOR_TABLE}'"))
    connection.commit()  # the lock and the setting are the session's, not the transaction's


def main(arguments: Sequence[str]) -> int:
    """`python -m services.runtime.migrations PACKAGE MESSAGE`."""
    if len(arguments) != 2:
        print(main.__doc__, file=sys.stderr)
        return 2
    print(new_migration(*arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
