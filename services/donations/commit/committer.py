"""Group commit: what is submitted while a transaction runs is committed together in the next.

Submissions wait in bounded queues, one for each lane. A lane is one writer: it takes what waits,
makes one transaction of it, and tells every submitter what became of theirs once it is durable.
A stream keeps to one lane, so that its batches become durable in their order; and where one of them
fails, those behind it fail with it, so that a stream is durable up to its offset without a gap.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from services.donations import metrics
from services.donations.catalog.memory import Catalog, StaleCatalog
from services.donations.commit.group import LINES_MAX, gather
from services.donations.commit.lane import LaneWriter
from services.donations.commit.measuring import count_recorded
from services.donations.commit.recording import Recorded
from services.donations.commit.submission import Committed, Submission
from services.donations.gifts.columns import MICROS_SUM_MAX
from services.donations.store.lane import Lane
from services.runtime.clock import Clock
from services.runtime.company import Pause, await_company
from services.runtime.database import fault_of
from services.runtime.errors import Fault, Reason

_log = structlog.get_logger()

# As long as a lane has no more than this, calls join it rather than begin another's transaction.
_COMPANY_ROWS = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """group_rows: a transaction's rows, unless one submission alone has more. queue_rows: all rows
    queued and being committed; streams wait at `stream_share` of it and leave the rest to calls.
    gather_s: how long a lane waits for company when little is queued; up to eight times as long
    while much goes on coming.
    """

    group_rows: int = 40_000
    queue_rows: int = 200_000
    stream_share: float = 0.8
    gather_s: float = 0.002


@dataclass(slots=True, eq=False)
class _Queued:
    submission: Submission
    weight: int
    done: asyncio.Future[Committed]
    stream: "StreamLane | None" = None

    def fail(self, error: Exception) -> None:
        """Tells its submitter, and lets nothing of the same stream be committed any more."""
        if self.stream is not None:
            self.stream.broken = error
        if not self.done.done():
            self.done.set_exception(error)
            # A submitter that went away does not fetch it; it was logged as far as it matters.
            self.done.exception()


class Committer:
    """The way of every report into the database. `run` does the work."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        catalog: Catalog,
        clock: Clock,
        limits: Limits | None = None,
        *,
        make_id: Callable[[], UUID] = uuid7,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """lanes: one writer each; at least one. make_id: makes batches' ids, ascending."""
        self._limits = limits or Limits()
        self._lanes = [_LaneQueue(LaneWriter(lane, clock, make_id)) for lane in lanes]
        self._catalog = catalog
        self._pause = pause
        self._rows = 0
        self._room = asyncio.Condition()
        self._listeners: list[Callable[[Recorded], None]] = []
        metrics.QUEUED_ROWS.set_function(lambda: self._rows)

    def on_recorded(self, listener: Callable[[Recorded], None]) -> None:
        """Calls listener after each transaction. It must not block."""
        self._listeners.append(listener)

    async def commit(self, submission: Submission) -> Committed:
        """Commits a submission; returns when it is durable.

        Raises Fault(QUEUE_FULL) at once if the queue has no room, and what made the transaction
        fail otherwise (`database.fault_of` reads it). Cancelling the wait does not undo it.
        """
        return await self.submit(submission)

    def submit(
        self, submission: Submission, *, has_company: bool = False
    ) -> asyncio.Future[Committed]:
        """Queues a submission; what it returns is done when the submission is durable, or failed
        as `commit` fails. Raises Fault(QUEUE_FULL).

        has_company: others are submitted with it, so that its lane need not wait for any.
        """
        weight = submission.weight
        # A submission larger than the queue passes when nothing else is there.
        if self._rows and self._rows + weight > self._limits.queue_rows:
            raise Fault(
                Reason.QUEUE_FULL,
                "more gifts are coming in than can be written; retry with the same ids",
                retry_after=1.0,
            )
        return self._put(self._lane_for_call(), submission, weight, has_company=has_company)

    def _lane_for_call(self) -> "_LaneQueue":
        """Where a call finds company: many small transactions cost more than a few larger ones."""
        with_room = [lane for lane in self._lanes if lane.rows <= _COMPANY_ROWS]
        if with_room:
            return max(with_room, key=lambda lane: lane.rows)
        return min(self._lanes, key=lambda lane: lane.rows)

    @contextmanager
    def stream(self) -> Iterator["StreamLane"]:
        """A lane for one stream, for as long as the block lasts: the one with the fewest."""
        lane = min(self._lanes, key=lambda lane: lane.streams)
        lane.streams += 1
        try:
            yield StreamLane(self, lane)
        finally:
            lane.streams -= 1

    async def run(self) -> None:
        """Commits what is submitted, for ever. When cancelled, gives its connections back."""
        try:
            async with asyncio.TaskGroup() as workers:
                for lane in self._lanes:
                    workers.create_task(self._work(lane))
        finally:
            for lane in self._lanes:
                await lane.writer.close()

    async def put_when_room(
        self, lane: "_LaneQueue", submission: Submission, stream: "StreamLane"
    ) -> asyncio.Future[Committed]:
        """For `StreamLane`."""
        weight = submission.weight
        most = self._limits.queue_rows * self._limits.stream_share
        async with self._room:
            await self._room.wait_for(lambda: not self._rows or self._rows + weight <= most)
            return self._put(lane, submission, weight, stream=stream)

    def _put(
        self,
        lane: "_LaneQueue",
        submission: Submission,
        weight: int,
        *,
        has_company: bool = False,
        stream: "StreamLane | None" = None,
    ) -> asyncio.Future[Committed]:
        queued = _Queued(submission, weight, asyncio.get_running_loop().create_future(), stream)
        self._rows += weight
        lane.append(queued, has_company=has_company)
        return queued.done

    async def _work(self, lane: "_LaneQueue") -> None:
        while True:
            await lane.gather(self._limits, self._pause)
            group = lane.take(self._limits)
            try:
                await self._commit(lane, group)
            finally:
                weight = sum(queued.weight for queued in group)
                lane.rows -= weight
                self._rows -= weight
                async with self._room:
                    self._room.notify_all()

    async def _commit(self, lane: "_LaneQueue", group: Sequence[_Queued]) -> None:
        """Commits a group, and tells its submitters."""
        group = list(_unbroken(group))
        if not group:
            return
        started = time.perf_counter()
        try:
            gathered = await gather([queued.submission for queued in group], self._catalog)
            if len(group) > 1 and gathered.lines_at_most > LINES_MAX:
                await self._commit_apart(lane, group)
                return
            recorded = await lane.writer.write(gathered)
        except StaleCatalog:
            # Only people make it grow, so that this comes to an end.
            await self._begin_again(lane, group)
            return
        except Exception as error:  # noqa: BLE001  handed to whoever waits for it
            if len(group) > 1 and fault_of(error) is None:
                # What is wrong with one submission must not fail the others.
                if not isinstance(error, Fault):
                    _log.exception(
                        "a group failed; committing its parts one by one", parts=len(group)
                    )
                await self._commit_apart(lane, group)
            else:
                for queued in group:
                    queued.fail(error)
            return
        metrics.GROUP_SECONDS.observe(time.perf_counter() - started)
        metrics.GROUP_ROWS.observe(sum(queued.weight for queued in group))
        for queued, result in zip(group, recorded.results, strict=True):
            if not queued.done.done():
                queued.done.set_result(result)
        count_recorded(gathered, recorded)
        for listener in self._listeners:
            listener(recorded)

    async def _begin_again(self, lane: "_LaneQueue", group: Sequence[_Queued]) -> None:
        """Places a group by the catalog as it is now, and commits it."""
        try:
            await self._catalog.refresh()
        except Exception as error:  # noqa: BLE001  handed to whoever waits for it
            for queued in group:
                queued.fail(error)
            return
        await self._commit(lane, group)

    async def _commit_apart(self, lane: "_LaneQueue", group: Sequence[_Queued]) -> None:
        for queued in group:
            await self._commit(lane, [queued])


class StreamLane:
    """Where one stream's submissions go. broken: why one of them failed; None while none did."""

    def __init__(self, committer: Committer, lane: "_LaneQueue") -> None:
        self.broken: Exception | None = None
        self._committer = committer
        self._lane = lane

    async def submit(self, submission: Submission) -> asyncio.Future[Committed]:
        """Queues a submission when there is room; returns what will say that it is durable.

        Submissions of one stream become durable in the order in which they were queued, and none
        that was queued behind one that failed: it fails as that one did.
        """
        return await self._committer.put_when_room(self._lane, submission, self)


class _LaneQueue:
    """What waits for one lane. rows: queued and being committed. streams: how many it serves."""

    def __init__(self, writer: LaneWriter) -> None:
        self.writer = writer
        self.rows = 0
        self.streams = 0
        self._waiting: deque[_Queued] = deque()
        self._filled = asyncio.Event()
        self._has_company = False

    def append(self, queued: _Queued, *, has_company: bool) -> None:
        """Queues one more. has_company: others come with it."""
        self._has_company |= has_company
        self.rows += queued.weight
        self._waiting.append(queued)
        self._filled.set()

    async def gather(self, limits: Limits, pause: Pause) -> None:
        """Waits until there is something, and a moment longer for company."""
        await self._filled.wait()
        if self.rows < limits.group_rows and limits.gather_s and not self._has_company:
            await await_company(
                lambda: self.rows, pause, step_s=limits.gather_s, enough=_COMPANY_ROWS
            )

    def take(self, limits: Limits) -> list[_Queued]:
        """Takes as much of what waits as one transaction may hold; at least one."""
        group: list[_Queued] = []
        rows, micros = 0, 0
        while self._waiting:
            queued = self._waiting[0]
            submission = queued.submission
            # What is judged by the catalog as it is now is on its own.
            if group and submission.allocation is not None:
                break
            rows += queued.weight
            micros += submission.micros
            if group and (rows > limits.group_rows or micros > MICROS_SUM_MAX):
                break
            group.append(self._waiting.popleft())
            if submission.allocation is not None:
                break
        if not self._waiting:
            self._filled.clear()
            self._has_company = False
        return group


def _unbroken(group: Iterable[_Queued]) -> Iterator[_Queued]:
    """Those that may be committed; the others fail with what their stream failed with."""
    for queued in group:
        if queued.stream is None or queued.stream.broken is None:
            yield queued
        else:
            queued.fail(queued.stream.broken)
