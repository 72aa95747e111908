"""Posts each batch to the ledger, as an entry under the batch's own id.

Posting is idempotent by that id, so a batch is posted until the ledger acknowledges it, however
often either side fails on the way; only then it leaves the outbox.

What this process has just recorded it posts from memory. The outbox is read for all else: what was
there before, what others recorded, and whatever a failure left.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import grpc
import structlog
from watersmeet.errors.v1 import errors_pb2
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc

from services.donations import metrics
from services.donations.commit.group import LINES_MAX
from services.donations.commit.recording import Recorded
from services.donations.gifts.batch import Batch
from services.donations.store.outbox import Outbox
from services.donations.wire.convert import entries_of
from services.runtime.alternatives import Alternatives
from services.runtime.clock import Clock
from services.runtime.database import fault_of
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error
from services.runtime.waiting import wait_at_most

_log = structlog.get_logger()

POLL_S = 1.0
"""How often it looks without being told to: another process may have recorded something."""

_BATCHES_AT_ONCE = 500
_ENTRIES_MAX = 1_000  # of one call
# Small batches share a post, for as long as they are few gifts.
_GATHER_S = 0.25
_GIFTS_ENOUGH = 1_000
_MEASURE_S = 1.0
_CALL_TIMEOUT_S = 20.0
_BACKOFF_FIRST_S, _BACKOFF_LAST_S = 0.1, 5.0
# An entry that the ledger refuses needs a person; meanwhile asking again costs little.
_POSTPONED = timedelta(seconds=60)


class Relay:
    """Runs in the background."""

    def __init__(self, outbox: Outbox, ledgers: Sequence[grpc.aio.Channel], clock: Clock) -> None:
        """ledgers: on one database, so that it does not matter which of them takes a batch."""
        self._outbox = outbox
        self._ledgers = Alternatives([pb_grpc.LedgerServiceStub(ledger) for ledger in ledgers])
        self._clock = clock
        self._zones: Mapping[str, str] = {}
        self._told = asyncio.Event()
        self._enough = asyncio.Event()
        # What was recorded since the last look into the outbox or the last post.
        self._handed: list[Batch] = []
        self._handed_gifts = 0
        self._must_look = True
        self._looked = self._measured = float("-inf")

    def recorded(self, recorded: Recorded) -> None:
        """Told after each of the committer's transactions."""
        batch = recorded.batch
        if batch is None:
            return
        if len(self._handed) == _BATCHES_AT_ONCE:
            self._must_look = True  # which finds them all
            self._take()
        self._handed.append(batch)
        self._handed_gifts += batch.gifts
        self._told.set()
        if self._handed_gifts >= _GIFTS_ENOUGH:
            self._enough.set()

    async def run(self) -> None:
        """Posts for ever. A ledger or a database that is away is waited for."""
        pause = _BACKOFF_FIRST_S
        while True:
            self._told.clear()
            try:
                await self._measure()
                await self._post_what_waits()
                pause = _BACKOFF_FIRST_S
                await wait_at_most(self._enough, _GATHER_S)
            except Exception as error:
                self._must_look = True
                fault = _fault_of(error)
                if fault is None:
                    raise
                metrics.RELAY_FAILURES.labels(fault.reason.value).inc()
                _log.warning("batches wait", reason=fault.reason.value, pause_s=pause)
                if isinstance(error, grpc.aio.AioRpcError):
                    self._ledgers.give_up()
                await asyncio.sleep(pause)
                # Where there is another ledger, it takes over within seconds.
                pause = min(pause * 2, _BACKOFF_LAST_S if len(self._ledgers) == 1 else 1.0)
                continue
            await wait_at_most(self._told, POLL_S)

    async def post_all_due(self) -> None:
        """Posts all that is due, and then the watermarks that may be told. Raises as post_due."""
        while await self.post_due() == _BATCHES_AT_ONCE:
            pass  # there is more
        if await self._outbox.tell_watermarks(self._clock()):
            await self.post_due()

    async def post_due(self) -> int:
        """Posts the oldest batches that are due; returns how many that were.

        Raises grpc.aio.AioRpcError if the ledger is away, and the database's errors.
        """
        self._take()  # it is in the outbox, too
        due = await self._outbox.due(self._clock(), _BATCHES_AT_ONCE)
        await self._post_all(due)
        return len(due)

    async def _post_what_waits(self) -> None:
        """Posts what is in memory; and all that is due, now and then and where there is more."""
        now = asyncio.get_running_loop().time()
        if not self._must_look and now - self._looked < POLL_S:
            await self._post_all(self._take())
            return
        self._looked, self._must_look = now, False
        await self.post_all_due()

    def _take(self) -> list[Batch]:
        """What was handed over, in the order of its ids."""
        handed, self._handed, self._handed_gifts = self._handed, [], 0
        self._enough.clear()
        return sorted(handed, key=lambda batch: batch.id)

    async def _post_all(self, batches: Sequence[Batch]) -> None:
        for some in _within_limits(batches):
            await self._post(some)

    async def _post(self, batches: Sequence[Batch]) -> None:
        zones = await self._zones_of(batches)
        posted: dict[UUID, int] = {}
        refused: dict[UUID, str] = {}
        entries: list[tuple[Batch, list[pb.EntryDraft]]] = []
        for batch in batches:
            try:
                entries.append((batch, entries_of(batch, zones)))
            except (LookupError, ValueError):
                # Somebody changed what was kept, or a release after this one writes other lines.
                message = "what is kept to be posted cannot be read"
                refused[batch.id] = _refusal(batch, Reason.INTERNAL.value, message)
        try:
            await self._post_entries([(batch, its[0]) for batch, its in entries], posted, refused)
            # The others only where the first stands as it is here. Under the batch's own id there
            # may be all of it, by a process of the release before: they would count it twice.
            await self._post_entries(
                [(batch, one) for batch, its in entries if batch.id in posted for one in its[1:]],
                posted,
                refused,
            )
        except grpc.aio.AioRpcError as error:
            fault = fault_from_rpc_error(error)
            if fault.reason is not Reason.MESSAGE_TOO_LARGE:
                raise
            await self._post_apart(batches, fault)
            return
        # Of a batch with several entries all must be there.
        await self._outbox.acknowledge(
            {batch_id: at for batch_id, at in posted.items() if batch_id not in refused}
        )
        await self._outbox.postpone(refused, self._clock() + _POSTPONED)

    async def _post_entries(
        self,
        entries: Sequence[tuple[Batch, pb.EntryDraft]],
        posted: dict[UUID, int],
        refused: dict[UUID, str],
    ) -> None:
        """Posts entries of batches, and notes by batch the first that stands, and what is refused.
        Raises grpc.aio.AioRpcError.
        """
        for start in range(0, len(entries), _ENTRIES_MAX):
            some = entries[start : start + _ENTRIES_MAX]
            request = pb.PostEntriesRequest(
                request_id=str(uuid4()), entries=[entry for _, entry in some]
            )
            answer = await self._ledgers.current.PostEntries(request, timeout=_CALL_TIMEOUT_S)
            for (batch, _), result in zip(some, answer.results, strict=True):
                if result.HasField("problem"):
                    reason = errors_pb2.ErrorReason.Name(result.problem.reason)
                    refused[batch.id] = _refusal(
                        batch, reason.removeprefix("ERROR_REASON_"), result.problem.message
                    )
                else:
                    posted.setdefault(batch.id, result.sequence)

    async def _post_apart(self, batches: Sequence[Batch], fault: Fault) -> None:
        """What is too large to be posted must not hold up the others."""
        if len(batches) > 1:
            for batch in batches:
                await self._post([batch])
            return
        [batch] = batches
        refused = {batch.id: _refusal(batch, fault.reason.value, fault.message)}
        await self._outbox.postpone(refused, self._clock() + _POSTPONED)

    async def _zones_of(self, batches: Sequence[Batch]) -> Mapping[str, str]:
        """The time zones of campaigns. What counts for one came after it, and it never changes."""
        named = {line.campaign for batch in batches for line in batch.lines if line.project}
        if not named <= self._zones.keys():
            self._zones = {"": ""} | await self._outbox.zones()
        return self._zones

    async def _measure(self) -> None:
        """Looks how much waits, though not at every turn."""
        now = asyncio.get_running_loop().time()
        if now - self._measured < _MEASURE_S:
            return
        self._measured = now
        rows, oldest = await self._outbox.backlog()
        metrics.OUTBOX_ROWS.set(rows)
        age = (self._clock() - oldest).total_seconds() if oldest else 0.0
        metrics.OUTBOX_AGE_SECONDS.set(max(age, 0.0))


def _within_limits(batches: Sequence[Batch], lines_max: int = LINES_MAX) -> list[list[Batch]]:
    """Splits batches into calls of at most so many lines, which stay below the message limit."""
    calls: list[list[Batch]] = []
    lines = 0
    for batch in batches:
        lines += len(batch.lines)
        if not calls or lines > lines_max:
            calls.append([])
            lines = len(batch.lines)
        calls[-1].append(batch)
    return calls


def _refusal(batch: Batch, reason: str, message: str) -> str:
    """Tells of it, and returns the reason."""
    metrics.RELAY_FAILURES.labels(reason).inc()
    _log.error("a batch cannot be posted", batch_id=str(batch.id), reason=reason, message=message)
    return reason


def _fault_of(error: Exception) -> Fault | None:
    if isinstance(error, grpc.aio.AioRpcError):
        return fault_from_rpc_error(error)
    return fault_of(error)
