"""The property of test_plan.py on a real database: the stored books are the planned ones."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ledger.domain import AccountName, Cell, EntryDraft, Posting, Sums
from services.ledger.journal.drafts import prepare
from services.ledger.journal.standing import Turnover
from tests.integration.ledger.parts import Engines, Parts, parts_on
from tests.support.clock import FixedClock
from tests.support.emptying import Emptier
from tests.support.examples import fewer_every_day
from tests.unit.ledger.books import MemoryBooks, assert_chain
from tests.unit.ledger.drafts import NOON
from tests.unit.ledger.strategies import drafts

EXAMPLES = fewer_every_day(4)  # each costs what dozens cost in memory


@pytest.mark.property
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(posted=st.lists(drafts(), min_size=1, max_size=12), sizes=st.lists(st.integers(1, 5)))
async def test_stored_books_are_the_planned_ones(
    engines: Engines, emptier: Emptier, posted: list[EntryDraft], sizes: list[int]
) -> None:
    emptier.delete()
    planned = MemoryBooks()
    async with parts_on(engines, FixedClock(NOON)) as parts:
        left = list(posted)
        for size in [*sizes, len(posted)]:
            group, left = left[:size], left[size:]
            outcomes = await parts.post(*group)
            expected = planned.post([prepare(one) for one in group], NOON)
            for outcome, other in zip(outcomes, expected, strict=True):
                assert (isinstance(outcome, Posting) and outcome == other) or (
                    not isinstance(outcome, Posting)
                    and not isinstance(other, Posting)
                    and outcome.reason is other.reason
                )
        # All of it again, at once and from many callers.
        again = await asyncio.gather(*(parts.post(one) for one in posted))
        assert all(
            outcome.replayed
            for outcomes in again
            for outcome in outcomes
            if isinstance(outcome, Posting)
        )
        await _assert_stored(parts, planned)


async def _assert_stored(parts: Parts, planned: MemoryBooks) -> None:
    entries = await parts.entries()
    assert_chain(entries)
    assert entries == planned.entries
    assert await parts.reading.head() == planned.head

    trial = await parts.reader.trial_balance("")
    turnovers: dict[AccountName, Turnover] = {
        balance.name: Turnover(balance.debits, balance.credits) for balance in trial.balances
    }
    assert turnovers == planned.turnovers
    assert all(sums.debits == sums.credits for sums in trial.sums)

    pages = [page async for page in parts.reader.totals(3)]
    totals: dict[Cell, Sums] = {row.cell: row.sums for page in pages for row in page.rows}
    assert totals == planned.totals
    assert pages[0].watermarks == planned.watermarks

    report = await parts.audit()
    assert report.ok, report.checks
