"""Books what waited for a gift which has come since: refunds, disputes, stages, and links.

A refund is booked at once where its transaction sees the gift. Where the gift comes later, or the
two are written at the same moment by two lanes, neither transaction sees the other; and so with a
gift and its rail's report, which bulk does not look for. The sweeper finds such pairs, soon after
commits that may have made one and otherwise now and then, and submits them like everything else.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from services.donations import metrics
from services.donations.commit.committer import Committer
from services.donations.commit.recording import Recorded
from services.donations.commit.submission import Submission
from services.donations.domain import Key, Outcome
from services.donations.store.reading import Waiting
from services.runtime.database import fault_of
from services.runtime.errors import Fault
from services.runtime.waiting import wait_at_most

_log = structlog.get_logger()

POLL_S = 2.0
"""How often it looks without being told to: another process may have recorded either side."""

PAUSE_S = 0.02
# Reports whose gift never comes are looked at each time. However many there are, looking for their
# gifts may take only so much of the database's time; and no pair is to wait longer than this.
_BUSY_SHARE = 0.1
_REST_MAX_S = 60.0

PAGE = 500
"""The most gifts that are booked in one transaction."""

LOOK = 2_000
"""The most gifts that are looked for at a time, which takes milliseconds however many there are."""


class WaitingReader(Protocol):
    """The part of the store that the sweeper reads."""

    async def waiting(self, after: Key | None, limit: int) -> Waiting:
        """A part of what waits, behind a key or from the first: so many keys at most."""


class Sweeper:
    """Runs in the background."""

    def __init__(self, committer: Committer, reader: WaitingReader) -> None:
        self._committer = committer
        self._reader = reader
        self._waiting = 0
        self._looked_s = 0.0
        self._told = asyncio.Event()
        committer.on_recorded(self._recorded)

    async def run(self) -> None:
        """Sweeps for ever. A database that is away is waited for."""
        while True:
            self._told.clear()
            try:
                await self.sweep()
                pause = rest_s(self._looked_s)
            except Exception as error:
                fault = error if isinstance(error, Fault) else fault_of(error)
                if fault is None:
                    raise
                _log.warning("what waits could not be booked", reason=fault.reason.value)
                pause = fault.retry_after or POLL_S
            await asyncio.sleep(pause)
            await wait_at_most(self._told, POLL_S)

    async def sweep(self) -> int:
        """Books all that can be booked now; returns of how many gifts.

        Where a defect keeps a gift from being booked, it goes on waiting, and holds up no other.
        Raises the database's errors, and Fault(QUEUE_FULL).
        """
        swept = lonely = 0
        self._looked_s = 0.0
        after: Key | None = None
        while True:
            found = await self._look(after)
            for start in range(0, len(found.bookable), PAGE):
                swept += await self._book(found.bookable[start : start + PAGE])
            lonely += found.lonely
            after = found.last
            if after is None:
                break
        self._waiting = lonely
        metrics.WAITING_REPORTS.set(lonely)
        return swept

    async def _book(self, keys: Sequence[Key]) -> int:
        """Returns how many gifts were booked."""
        try:
            await self._committer.commit(Submission(awaited=keys))
        except Exception as error:
            if isinstance(error, Fault) or fault_of(error) is not None:
                raise
            if len(keys) == 1:
                _log.exception("what waited for a gift cannot be booked", bucket=keys[0].bucket)
                return 0
            return sum([await self._book([key]) for key in keys])
        return len(keys)

    async def _look(self, after: Key | None) -> Waiting:
        """Reads, and counts the time that it took: commits are work, looking is the overhead."""
        started = time.perf_counter()
        found = await self._reader.waiting(after, LOOK)
        self._looked_s += time.perf_counter() - started
        return found

    def _recorded(self, recorded: Recorded) -> None:
        """Wakes up where a pair may have come together."""
        self._waiting += recorded.waiting
        if recorded.waiting or (self._waiting and _has_new(recorded)):
            self._told.set()


def _has_new(recorded: Recorded) -> bool:
    new = (recorded.outcomes == Outcome.ACCEPTED) | (recorded.outcomes == Outcome.SUSPENDED)
    return bool(new.any())


def rest_s(looked_s: float) -> float:
    """How long to leave the database alone after looking took so long."""
    return min(max(PAUSE_S, looked_s / _BUSY_SHARE - looked_s), _REST_MAX_S)
