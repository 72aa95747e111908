"""Books that a benchmark fills at once are what the ledger itself would have written."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bench.indexes import bare, indexes_of
from bench.ledger import books
from bench.ledger.books import PROJECTS, Moment, draft_of
from bench.ledger.entries import PARTNERS
from bench.ledger.filling import fill_books, settle
from services.ledger.domain import Dates, EntryDraft
from services.ledger.store import history
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.log_parts import open_log
from tests.integration.ledger.parts import open_parts
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import NOON, new_id

MOMENT = Moment(NOON, Dates(NOON.date(), NOON.date()), NOON)


def entry(number: int) -> EntryDraft:
    project = PROJECTS[number % len(PROJECTS)]
    return draft_of(new_id(), MOMENT, PARTNERS[number % 3], project, 5 + number, 1, 2)


async def test_the_ledger_goes_on_behind_filled_books_and_the_audit_finds_nothing(
    urls: DatabaseUrls, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "CHUNK", 350)
    async with open_parts(urls.service, clock) as parts:
        await parts.post_all(*map(entry, range(len(PROJECTS))))
    tables = ("entries", "transfers")
    keys = [indexes_of(urls.owner, table) for table in tables]
    fill_books(urls.owner, 9_999)
    assert [indexes_of(urls.owner, table) for table in tables] == keys
    fill_books(urls.owner, 9_000)  # there are as many
    async with (
        open_parts(urls.service, clock) as parts,
        open_log(parts, urls.service, clock) as log,
    ):
        entries = await parts.entries()
        assert len(entries) == 5_000
        assert {one.draft.transfers[0].debit for one in entries[900:]} == {
            f"partner/{partner}/claimed" for partner in PARTNERS
        }
        [posting] = await parts.post_all(entry(1))
        assert posting.sequence == 5_001
        await log.sign(5_001)
        report = await parts.audit()
        assert report.ok, report
        await settle(urls.owner, entries_behind=5_001)
        monkeypatch.setattr("bench.ledger.filling._SETTLE_S", 0.1)
        with pytest.raises(TimeoutError):
            await settle(urls.owner, entries_behind=5_000)  # as nothing is rolled up


def test_an_index_that_there_is_not_is_not_passed_over(urls: DatabaseUrls) -> None:
    with (
        pytest.raises(ValueError, match="no index misspelt"),
        bare(urls.owner, ("entries",), {"misspelt": 69}),
    ):
        pass
    assert len(indexes_of(urls.owner, "entries")) == 3


async def test_a_rollup_reads_its_own_entries_and_no_others(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    async with open_parts(urls.service, clock) as parts:
        await parts.post_all(*map(entry, range(len(PROJECTS))))
    fill_books(urls.owner, 40_000)
    statement = str(history._ROLL_UP).replace(":first", "10001").replace(":last", "11000")
    with psycopg.connect(urls.owner) as connection:
        plan = connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement).fetchone()
        connection.rollback()
    assert plan is not None
    for table, rows in (("entries", 1_000), ("transfers", 2_000)):
        scans = list(scans_of(plan[0][0]["Plan"], table))
        assert [scan["Actual Rows"] for scan in scans] == [rows], scans


def scans_of(node: dict[str, Any], table: str) -> Iterator[dict[str, Any]]:
    if node.get("Relation Name") == table:
        yield node
    for child in node.get("Plans", ()):
        yield from scans_of(child, table)
