"""The totals that are served now: whoever follows the ledger writes here, and readers read here."""

import asyncio
from datetime import datetime, timedelta

from services.gateway.domain import Posting, Snapshot
from services.gateway.totals import Totals
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason

FRESH_FOR = timedelta(seconds=15)
"""Totals are called live while they were known to be complete within this time."""


class LiveTotals:
    """Holds the totals, says how fresh they are, and wakes those who watch them.

    While they are being loaded again, the ones before stay: a reader sees from `as_of` how old they
    are, which is worth more than no answer.
    """

    def __init__(self, clock: Clock, *, gather_s: float = 0.2) -> None:
        """gather_s: watchers are woken no more often than this."""
        self._clock = clock
        self._gather_s = gather_s
        self._totals: Totals | None = None
        self._loaded = asyncio.Event()
        self._changed = asyncio.Event()
        self._complete_at = clock()  # until the first snapshot: how long it is awaited
        self.wake = asyncio.Event()
        """Set when there is something new. Take it before reading, then await it: each is set once,
        and the next takes its place."""

    @property
    def totals(self) -> Totals | None:
        """The totals now; None before the first snapshot."""
        return self._totals

    def require(self) -> Totals:
        """The totals now. Raises Fault(TOTALS_NOT_READY) before the first snapshot."""
        if self._totals is None:
            raise Fault(
                Reason.TOTALS_NOT_READY,
                "the totals are still being loaded from the ledger; ask again in a second",
                retry_after=1.0,
            )
        return self._totals

    async def wait_loaded(self) -> None:
        """Returns when there are totals to serve."""
        await self._loaded.wait()

    def load(self, snapshot: Snapshot) -> None:
        """Begins anew. Raises FeedBroken for a snapshot that contradicts itself."""
        self._totals = Totals(snapshot)
        if snapshot.as_of.time is not None:
            self._complete(snapshot.as_of.time)
        self._loaded.set()
        self._changed.set()

    def apply(self, posting: Posting) -> None:
        """Counts the next entries. Raises FeedBroken if they are not the next."""
        self.require().apply(posting)
        self._complete(posting.time)
        self._changed.set()

    def confirm(self, time: datetime) -> None:
        """The ledger says that the totals had every entry there was at this time."""
        self._complete(time)

    @property
    def lag(self) -> timedelta:
        """How long ago the totals were last known to be complete; never negative.

        Before the first snapshot: how long there have been none.
        """
        return max(self._clock() - self._complete_at, timedelta())

    @property
    def is_fresh(self) -> bool:
        """Whether the totals are live."""
        return self._totals is not None and self.lag <= FRESH_FOR

    async def pulse(self) -> None:
        """Wakes watchers after changes, gathered for a moment. Runs until it is cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            woken, self.wake = self.wake, asyncio.Event()
            woken.set()
            await asyncio.sleep(self._gather_s)

    def _complete(self, time: datetime) -> None:
        # By a clock that is ahead of ours they would look live for long after the ledger is gone.
        self._complete_at = max(self._complete_at, min(time, self._clock()))
