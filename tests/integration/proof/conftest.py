"""Intake and ledger, each on a database of its own in which anybody may change anything."""

import psycopg
import pytest

from services.donations.models import metadata as donations_metadata
from services.ledger.models import metadata as ledger_metadata
from services.runtime.database import database_url, upgrade
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.proof.tampering import drop_guards
from tests.support.databases import DatabaseFactory


@pytest.fixture
def donations_urls(database: DatabaseFactory) -> DatabaseUrls:
    """Intake's database, migrated, without what refuses changes."""
    urls = database("donations")
    upgrade("services.donations", urls.owner, service_role=database_url(urls.service).username)
    with psycopg.connect(urls.owner) as connection:
        drop_guards(connection, donations_metadata)
    return urls


@pytest.fixture
def ledger_urls(database: DatabaseFactory) -> DatabaseUrls:
    """The ledger's, likewise."""
    urls = database("ledger")
    upgrade("services.ledger", urls.owner, service_role=database_url(urls.service).username)
    with psycopg.connect(urls.owner) as connection:
        drop_guards(connection, ledger_metadata)
    return urls
