"""One lane's transactions: which way to try first, and what to do when the database fails."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from services.donations import metrics
from services.donations.commit.booking import LinkCame
from services.donations.commit.group import Group
from services.donations.commit.plain import PlainRecording
from services.donations.commit.recording import Recorded, record
from services.donations.store import batches
from services.donations.store.driver import Driver
from services.donations.store.gifts import RepeatFound
from services.donations.store.lane import Lane
from services.donations.store.plain import PlainRefused
from services.runtime.clock import Clock
from services.runtime.database import OutcomeUnknown, fault_of

_log = structlog.get_logger()

# After each of these pauses a failed transaction is begun anew; then its submitters are told.
_RETRY_PAUSES_S = (0.05, 0.2, 0.5, 1.0, 2.0)

# So many groups after a repeat are staged: straight COPY that fails is work done twice.
_STAGED_AFTER_REPEAT = 8

# How often a batch looks for loose seals to carry.
_CARRY_EVERY = timedelta(seconds=1)


class LaneWriter:
    """Writes groups, one after the other."""

    def __init__(self, lane: Lane, clock: Clock, make_id: Callable[[], UUID]) -> None:
        self._lane = lane
        self._clock = clock
        self._make_id = make_id
        self._staged_left = 0
        self._carry_time: datetime | None = None
        self._writes_plainly = True

    async def write(self, group: Group) -> Recorded:
        """Commits a group; returns when it is durable.

        A broken connection or a lost race is tried again; that is safe, as what became durable
        after all is recognised. Raises the last error when it has been tried often enough:
        OutcomeUnknown if any of the commits may have succeeded. Raises StaleCatalog as `record`
        does: nothing is committed then.
        """
        staged = self._staged_left > 0 or (group.gifts is not None and group.gifts.is_repeat.any())
        plain = not staged and self._writes_plainly and group.is_plain
        pauses = iter(_RETRY_PAUSES_S)
        doubtful: Recorded | None = None
        while True:
            recorded: Recorded | None = None
            now = self._clock()
            carries = self._carry_time is None or now >= self._carry_time
            try:
                if plain and not carries and doubtful is None:
                    plainly = PlainRecording(group, self._make_id(), now)
                    recorded = plainly.recorded
                    if await plainly.write(self._lane):
                        return recorded
                    plain, recorded = False, None
                async with self._lane.transaction() as driver:
                    if doubtful is not None and await _is_committed(driver, doubtful):
                        return doubtful
                    recorded = await record(
                        driver, group, self._make_id(), now, staged=bool(staged), carries=carries
                    )
                self._learn(recorded, staged=bool(staged))
                if carries and recorded.batch_id is not None:
                    self._carry_time = now + _CARRY_EVERY
                return recorded
            except RepeatFound:
                staged, plain = True, False
                self._staged_left = _STAGED_AFTER_REPEAT
            except PlainRefused:
                self._writes_plainly = plain = False
            except LinkCame:
                continue
            except Exception as error:
                fault = fault_of(error)
                if fault is None:
                    raise
                if isinstance(error, OutcomeUnknown):
                    # Of this one there is nothing to know where it only looked for the one before.
                    doubtful = recorded or doubtful
                pause = next(pauses, None)
                if pause is None:
                    if doubtful is not None:
                        raise OutcomeUnknown("a commit may have succeeded") from error
                    raise
                metrics.GROUP_RETRIES.inc()
                _log.warning("a transaction failed and is begun anew", reason=fault.reason.value)
                await asyncio.sleep(pause)

    async def close(self) -> None:
        """Gives the connection back."""
        await self._lane.close()

    def _learn(self, recorded: Recorded, *, staged: bool) -> None:
        """Prefers staging while repeats are frequent."""
        if recorded.repeats:
            self._staged_left = _STAGED_AFTER_REPEAT
        elif self._staged_left:
            self._staged_left -= 1
        if staged:
            metrics.STAGED_GROUPS.inc()


async def _is_committed(driver: Driver, doubtful: Recorded) -> bool:
    """Whether a transaction whose commit broke did succeed: then its batch is there.

    One that accepted nothing left no batch. It is done again, which changes nothing.
    """
    return doubtful.batch_id is not None and await batches.exists(driver, doubtful.batch_id)
