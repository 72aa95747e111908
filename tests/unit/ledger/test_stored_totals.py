"""What uncounted entries change is added to what the tables count, in the same order."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import Cell, Purpose, Sums, TotalsRow, TotalState
from services.ledger.store.totals import with_changes
from tests.unit.ledger.drafts import NOON

CELLS = st.builds(
    lambda campaign, project, partner, hours: Cell(
        campaign,
        project,
        partner,
        NOON + timedelta(hours=hours),
        TotalState.CLAIMED,
        "CNY",
        Purpose.CHARITY,
    ),
    st.sampled_from("ab"),
    st.sampled_from("pq"),
    st.sampled_from("xyz"),
    st.integers(0, 1),
)
TABLE = st.dictionaries(CELLS, st.builds(Sums, st.integers(-9, 9), st.integers(-9, 9)))


NOTHING = Sums(0, 0)


def joined(one: Sums, other: Sums) -> Sums:
    return Sums(one.micros + other.micros, one.tally + other.tally)


def place(row: TotalsRow) -> tuple[object, ...]:
    return row.cell.campaign, row.cell.project, row.cell.hour


@pytest.mark.property
@given(table=TABLE, changes=TABLE, chunk=st.integers(1, 5))
async def test_each_cell_comes_once_with_all_that_it_holds(
    table: dict[Cell, Sums], changes: dict[Cell, Sums], chunk: int
) -> None:
    stored = sorted((TotalsRow(*item) for item in table.items()), key=place)

    async def counted() -> AsyncIterator[Sequence[TotalsRow]]:
        for first in range(0, len(stored), chunk):
            yield stored[first : first + chunk]

    read: list[TotalsRow] = []
    async for rows in with_changes(counted(), changes, chunk):
        assert 0 < len(rows) <= chunk
        read += rows
    assert dict(read) == {
        cell: joined(table.get(cell, NOTHING), changes.get(cell, NOTHING))
        for cell in table.keys() | changes.keys()
    }
    assert len(read) == len(dict(read))
    assert read == sorted(read, key=place)
