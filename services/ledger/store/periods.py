"""Decisions on periods, and what came late."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ledger.domain import CauseKind, Transfer, TransferName
from services.ledger.journal.calendar import OWN, calendar_of
from services.ledger.journal.periods import Late, Periods, period_decision_of
from services.ledger.store.accounts import AccountIds
from services.ledger.store.steps import named_transfers


class LateArrival(NamedTuple):
    """A movement that came late, with its entry's book date, time and calendar."""

    late: Late
    book_date: date
    recorded_time: datetime
    transfer: Transfer
    calendar: str


class PeriodStore:
    """Reads periods. Its methods raise the database's errors."""

    def __init__(self, engine: AsyncEngine, accounts: AccountIds) -> None:
        self._engine = engine
        self._accounts = accounts

    async def periods(self) -> Periods:
        """The states of all periods now."""
        async with self._engine.connect() as connection:
            return await periods_of(connection)

    async def late_arrivals(
        self, start: date, end: date, calendar: str | None, after: Late, limit: int
    ) -> Sequence[LateArrival]:
        """What came late of the value dates from start until before end, behind one, in order.

        calendar: only of its days; of all calendars if None.
        """
        parameters = {
            "calendars": None if calendar is None else [calendar] if calendar else ["", OWN],
            "start": start,
            "end": end,
            "value_date": after.value_date,
            "sequence": after.sequence,
            "position": after.position,
            "limit": limit,
        }
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_LATE, parameters)).all()
            names = [TransferName(row.sequence, row.position) for row in rows]
            found = await named_transfers(connection, self._accounts, names) if names else {}
        return [
            LateArrival(
                Late(row.sequence, row.position, row.value_date),
                row.book_date,
                row.recorded_time,
                found[name].transfer,
                calendar_of(row.metadata),
            )
            for row, name in zip(rows, names, strict=True)
        ]


async def periods_of(connection: AsyncConnection) -> Periods:
    """The states of all periods: few people decide on them, so all decisions are read."""
    periods = Periods()
    rows = await connection.execute(_DECISIONS, {"cause_kind": int(CauseKind.PERIOD)})
    for row in rows:
        periods = periods.after(period_decision_of(row.cause_id, row.metadata), row.sequence)
    return periods


_DECISIONS = text("""
    SELECT sequence, cause_id, metadata FROM entries
    WHERE cause_kind = :cause_kind ORDER BY sequence
""")

_LATE = text("""
    SELECT l.sequence, l.position, l.value_date, e.book_date, e.recorded_time, e.metadata
    FROM late_arrivals l JOIN entries e USING (sequence)
    WHERE l.value_date >= :start AND l.value_date < :end
    AND (CAST(:calendars AS text[]) IS NULL
         OR coalesce(e.metadata ->> 'time_zone', '') = ANY(CAST(:calendars AS text[])))
    AND (l.value_date, l.sequence, l.position) > (:value_date, :sequence, :position)
    ORDER BY l.value_date, l.sequence, l.position LIMIT :limit
""")
