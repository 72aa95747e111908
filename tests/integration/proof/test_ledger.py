"""Whatever is changed by hand in the ledger's database, the audit finds it."""

from collections.abc import AsyncIterator

import pytest

from services.ledger.models import metadata
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.log_parts import open_log
from tests.integration.ledger.parts import COUNTED, Parts, open_parts
from tests.integration.proof.document import documented
from tests.integration.proof.example_books import fill_books
from tests.integration.proof.tampering import checks_of, each_changed, places, removed
from tests.support.clock import FixedClock

PROVED = documented("ledger's")


@pytest.fixture
async def books(ledger_urls: DatabaseUrls, clock: FixedClock) -> AsyncIterator[Parts]:
    """Books with a row in every table, in order, but that their one batch has no intake here."""
    async with (
        open_parts(ledger_urls.service, clock, limits=COUNTED) as parts,
        open_log(parts, ledger_urls.service, clock) as log,
    ):
        await fill_books(parts, log)
        assert await failing(parts) == {}
        yield parts


async def failing(parts: Parts) -> dict[str, str]:
    """What each check found, but for the batches."""
    report = await parts.audit()
    return {
        check.name: check.detail
        for check in report.checks
        if not check.ok and check.name != "batches"
    }


def test_the_document_names_every_column_and_no_other() -> None:
    assert PROVED.keys() == set(places(metadata))


async def test_whatever_is_changed_is_found(books: Parts, ledger_urls: DatabaseUrls) -> None:
    missed = []
    for tampered, checks in each_changed(ledger_urls.owner, metadata, PROVED):
        found = await failing(books)
        if not checks & found.keys():
            missed.append((tampered.what, found))
    assert missed == []
    assert await failing(books) == {}


async def test_whatever_is_taken_away_is_found(books: Parts, ledger_urls: DatabaseUrls) -> None:
    for table in sorted({place.table for place, checks in PROVED.items() if checks} - {"head"}):
        with removed(ledger_urls.owner, metadata, table) as tampered:
            assert checks_of(PROVED, table) & (await failing(books)).keys(), tampered
    assert await failing(books) == {}
