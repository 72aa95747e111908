"""The audit: everything that is stored a second time is derived again, and compared.

It runs on one snapshot, beside the traffic.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from services.ledger import metrics
from services.ledger.audit.balances import (
    check_balances,
    check_daily_balances,
    check_trial_balance,
)
from services.ledger.audit.batches import EntriesNow, Summaries, check_batches
from services.ledger.audit.chain import Chain
from services.ledger.audit.check import Check
from services.ledger.audit.holds import check_holds
from services.ledger.audit.log import check_log
from services.ledger.audit.positions import Positions, check_positions
from services.ledger.audit.records import Records, check_records
from services.ledger.audit.totals import check_totals
from services.ledger.domain import Head
from services.ledger.reading.snapshots import Snapshots
from services.ledger.store.entries import Unreadable
from services.ledger.store.snapshot import Snapshot
from services.runtime.clock import Clock

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Report:
    """The whole audit. head: of the books as they were when it began."""

    ok: bool
    head: Head
    checks: Sequence[Check]
    start_time: datetime
    end_time: datetime


class Auditor:
    """Runs audits."""

    def __init__(
        self,
        snapshots: Snapshots,
        summaries: Summaries,
        positions: Positions,
        records: Records,
        entries_now: EntriesNow,
        clock: Clock,
        *,
        own_keys: Sequence[str],
    ) -> None:
        """own_keys: the verifier keys that checkpoints are signed with now."""
        self._snapshots = snapshots
        self._summaries = summaries
        self._positions = positions
        self._records = records
        self._entries_now = entries_now
        self._clock = clock
        self._own_keys = own_keys

    async def run(self) -> AsyncGenerator[Check | Report, None]:
        """Each check as it ends, and at last the report.

        A check that could not be made is not ok. Raises Fault(QUEUE_FULL) if too many audits and
        readings of totals are under way, and the database's errors if it goes away.
        """
        start_time = self._clock()
        checks: list[Check] = []
        async with self._snapshots.take() as books:
            for name, make in self._checks(books):
                check = await _made(name, make)
                metrics.AUDIT_OK.labels(name).set(check.ok)
                checks.append(check)
                yield check
        end_time = self._clock()
        metrics.AUDIT_TIME.set(end_time.timestamp())
        ok = all(check.ok for check in checks)
        if not ok:
            _log.error("the audit found differences", checks=[c.name for c in checks if not c.ok])
        yield Report(ok, books.head, checks, start_time, end_time)

    def _checks(self, books: Snapshot) -> list[tuple[str, Callable[[], Awaitable[Check]]]]:
        chain = Chain()
        return [
            ("chain", lambda: chain.check(books)),
            ("log", lambda: check_log(books, self._own_keys)),
            ("balances", lambda: check_balances(books)),
            ("daily_balances", lambda: check_daily_balances(books)),
            ("trial_balance", lambda: check_trial_balance(books)),
            ("holds", lambda: check_holds(books)),
            ("periods", lambda: chain.periods.check(books)),
            ("totals", lambda: check_totals(books, chain.watermarks)),
            ("positions", lambda: check_positions(self._positions)),
            ("records", lambda: check_records(self._records)),
            ("batches", lambda: check_batches(books, self._summaries, self._entries_now)),
        ]


async def _made(name: str, make: Callable[[], Awaitable[Check]]) -> Check:
    try:
        return await make()
    except Unreadable as error:
        return Check(name, ok=False, covered=0, detail=str(error))
