"""Holds, reversals and decisions as they stood at the moment of a snapshot."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.domain import CauseKind
from services.ledger.journal.periods import Late
from services.ledger.store.log_snapshot import Stream
from services.ledger.store.step_faults import COUNT_STEPS, HELD, HOLD_FAULTS


class Decision(NamedTuple):
    """An entry that moves nothing, as stored."""

    sequence: int
    recorded_time: datetime
    cause_id: str
    metadata: Mapping[str, str]


class StepFault(NamedTuple):
    """A transfer that is not what its step may be. what: in words."""

    what: str
    sequence: int
    position: int


class HeldDifference(NamedTuple):
    """What is kept of an account's holds (debits, credits), and what its open holds add up to."""

    account_id: int
    kept: tuple[int | None, int | None]
    held: tuple[int, int]


class StepSnapshot:
    """Reads on a snapshot's connection, for as long as the snapshot is there."""

    def __init__(self, connection: AsyncConnection, stream: Stream) -> None:
        self._connection = connection
        self._stream = stream

    async def decisions(self, kind: CauseKind) -> AsyncIterator[Decision]:
        """All entries of a cause that decides, in order."""
        async for rows in self._stream(_DECISIONS, cause_kind=int(kind)):
            for row in rows:
                yield Decision(row.sequence, row.recorded_time, row.cause_id, row.metadata)

    async def hold_faults(self) -> AsyncIterator[StepFault]:
        """What does not fit among holds and their ends."""
        for what, statement in HOLD_FAULTS.items():
            async for rows in self._stream(statement):
                for row in rows:
                    yield StepFault(what, row.sequence, row.position)

    async def held_differences(self) -> AsyncIterator[HeldDifference]:
        """The accounts whose kept sums of holds are not those of their open holds."""
        async for rows in self._stream(HELD):
            for row in rows:
                yield HeldDifference(
                    row.account_id,
                    (row.kept_debits, row.kept_credits),
                    (int(row.held_debits), int(row.held_credits)),
                )

    async def dated_since(self) -> datetime | None:
        """When the first entry of version 2 was recorded; accounts from before say when they were
        opened, and nothing else does.
        """
        time: datetime | None = await self._connection.scalar(_DATED_SINCE)
        return time

    async def late(self, first: int, last: int) -> set[Late]:
        """What is listed as late of the entries from first to last."""
        rows = await self._connection.execute(_LATE, {"first": first, "last": last})
        return {Late(*row) for row in rows}

    async def periods_sequence(self) -> int:
        """The last entry that decided on a period, as the head says."""
        return int(await self._connection.scalar(_PERIODS_SEQUENCE) or 0)

    async def count_steps(self) -> int:
        """How many transfers are more than plain movements."""
        return int(await self._connection.scalar(COUNT_STEPS) or 0)


_DATED_SINCE = text("""
    SELECT recorded_time FROM entries WHERE version = 2 ORDER BY sequence LIMIT 1
""")

_LATE = text("""
    SELECT sequence, position, value_date FROM late_arrivals
    WHERE sequence BETWEEN :first AND :last
""")

_PERIODS_SEQUENCE = text("SELECT periods_sequence FROM head")

_DECISIONS = text("""
    SELECT sequence, recorded_time, cause_id, metadata FROM entries
    WHERE cause_kind = :cause_kind ORDER BY sequence
""")
