"""The totals at one moment: what the tables count, and what the entries change that they do not."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from services.ledger.domain import Cell, Change, Changes, Purpose, Sums, TotalsRow, TotalState

TOTALS = text("""
    SELECT campaign, project, hour, partner, state, currency, micros, count AS tally,
           CASE project WHEN '' THEN 3 ELSE 1 END AS purpose
    FROM totals
    UNION ALL
    SELECT campaign, project, hour, partner, state, currency, micros, count, 2
    FROM appeal_totals
    ORDER BY campaign, project, hour
""")
"""What the tables count, for totals_row."""


def totals_row(row: Row[Any]) -> TotalsRow:
    """A cell of the tables. Raises ValueError for what is none."""
    cell = Cell(
        row.campaign,
        row.project,
        row.partner,
        row.hour,
        TotalState(row.state),
        row.currency,
        Purpose(row.purpose),
    )
    return TotalsRow(cell, Sums(row.micros, row.tally))


async def with_changes(
    counted: AsyncIterator[Sequence[TotalsRow]], changes: Changes, chunk: int
) -> AsyncIterator[Sequence[TotalsRow]]:
    """Adds changes to cells that come by campaign, project and hour, which they do then, too; in
    lists of at most chunk.
    """
    left = dict(changes)
    coming = sorted(changes, key=_place, reverse=True)
    async for rows in counted:
        read: list[TotalsRow] = []
        for row in rows:
            while coming and _place(coming[-1]) < _place(row.cell):
                cell = coming.pop()
                if cell in left:
                    read.append(TotalsRow(cell, Sums(*left.pop(cell))))
            change = left.pop(row.cell, None)
            read.append(row if change is None else _changed(row, change))
        for first in range(0, len(read), chunk):
            yield read[first : first + chunk]
    rest = [TotalsRow(cell, Sums(*left[cell])) for cell in reversed(coming) if cell in left]
    for first in range(0, len(rest), chunk):
        yield rest[first : first + chunk]


def _changed(row: TotalsRow, change: Change) -> TotalsRow:
    micros, tally = change
    return TotalsRow(row.cell, Sums(row.sums.micros + micros, row.sums.tally + tally))


def _place(cell: Cell) -> tuple[str, str, datetime]:
    return cell.campaign, cell.project, cell.hour
