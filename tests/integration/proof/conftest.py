"""Intake and ledger, each on a database of its own in which anybody may change anything."""

from collections.abc import Iterator

import psycopg
import pytest

from services.donations.models import metadata as donations_metadata
from services.ledger.models import metadata as ledger_metadata
from services.runtime.database import database_url, upgrade
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.conftest import emptying_books
from tests.integration.proof.tampering import drop_guards
from tests.support.databases import DatabaseFactory
from tests.support.emptying import Emptier, emptying

Unguarded = tuple[DatabaseUrls, Emptier]


@pytest.fixture(scope="package")
def unguarded_donations(shared_database: DatabaseFactory) -> Iterator[Unguarded]:
    """Intake's database, migrated, without what refuses changes; and what empties it."""
    urls = shared_database("donations")
    upgrade("services.donations", urls.owner, service_role=database_url(urls.service).username)
    with psycopg.connect(urls.owner) as connection:
        drop_guards(connection, donations_metadata)
    tables = [table.name for table in donations_metadata.sorted_tables]
    with emptying(urls.owner, tables) as emptier:
        yield urls, emptier


@pytest.fixture(scope="package")
def unguarded_ledger(shared_database: DatabaseFactory) -> Iterator[Unguarded]:
    """The ledger's, likewise."""
    urls = shared_database("ledger")
    upgrade("services.ledger", urls.owner, service_role=database_url(urls.service).username)
    with psycopg.connect(urls.owner) as connection:
        drop_guards(connection, ledger_metadata)
    with emptying_books(urls.owner) as emptier:
        yield urls, emptier


@pytest.fixture
def donations_urls(unguarded_donations: Unguarded) -> DatabaseUrls:
    """Intake's database, empty and without what refuses changes."""
    urls, emptier = unguarded_donations
    emptier.truncate()
    return urls


@pytest.fixture
def ledger_urls(unguarded_ledger: Unguarded) -> DatabaseUrls:
    """The ledger's, likewise."""
    urls, emptier = unguarded_ledger
    emptier.truncate()
    return urls
