"""The migrations make what the models say, again and again."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine, text

from services.ledger.__main__ import migrate
from services.ledger.models import metadata
from services.ledger.settings import Settings
from services.runtime.database import database_url
from services.runtime.supervisor.databases import DatabaseUrls
from tests.support.databases import DatabaseFactory
from tests.support.identities import Certificates


def settings_for(urls: DatabaseUrls, certificates: Certificates) -> Settings:
    files: dict[str, Any] = dict(certificates.settings_for("service", "ledger"))
    return Settings(
        **files,
        database_url=urls.service,  # type: ignore[arg-type]  # read as a secret
        migration_database_url=urls.owner,  # type: ignore[arg-type]
        donations_address="127.0.0.1:1",
    )


def test_migrations_and_models_agree(database: DatabaseFactory, certificates: Certificates) -> None:
    urls = database("ledger")
    migrate(settings_for(urls, certificates))
    migrate(settings_for(urls, certificates))  # finds nothing to do
    engine = create_engine(database_url(urls.owner))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
        checks = set(connection.scalars(text(_CHECKS)))
        head = connection.execute(text("SELECT sequence, hash FROM head")).one()
    engine.dispose()
    assert differences == []
    assert checks == {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert (head.sequence, head.hash) == (0, bytes(32))


_CHECKS = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0"
