"""The single writer: concurrent posts are gathered into one transaction, which locks the head.

While one group is being committed the next one gathers, so groups grow with the load; one that is
whole is made ready meanwhile. Small calls that queue behind a group wait a few milliseconds for
company; who is alone is written at once. Only the process that holds the lease writes
(leadership.py); one that lost it finds another term under the head's lock and writes nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import NamedTuple

import structlog

from services.ledger import metrics
from services.ledger.domain import AccountName, EntryDraft, EntryId, Posting
from services.ledger.journal.chart import require_unit
from services.ledger.journal.decisions import AccountDecision, draft_of_account
from services.ledger.journal.drafts import Drafts, prepare
from services.ledger.journal.group import Group
from services.ledger.journal.plan import Outcome, Plan
from services.ledger.journal.rules import require_postable
from services.ledger.posting.appending import Appending
from services.ledger.posting.leadership import Tenure
from services.ledger.store.posting import PostingStore
from services.runtime.clock import Clock
from services.runtime.company import Pause, await_company
from services.runtime.database import fault_of
from services.runtime.errors import Fault, Reason

_log = structlog.get_logger()

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0

# A transaction costs as much as the entries of dozens of calls. Where several small calls wait, the
# next ones are let in, too; who is alone is written at once, and so is what is large.
_STEP_S = 0.001
_ENOUGH_TRANSFERS = 256

# After so many drafts the next step of the group that is being written has its turn. The database
# would wait for it else until all drafts of a call are ready.
_DRAFTS_AT_ONCE = 50


@dataclass(frozen=True)
class WriterLimits:
    """queue_transfers: wait at most; more is QUEUE_FULL. group_transfers: of one transaction at
    most, and more only where a single call has more. retry_s: how long a lost database is tried
    again. value_ahead: how far ahead of the clock an entry may count, but for what intake counted.
    uncounted_transfers: how many transfers the totals' tables may lack until all are added.
    """

    queue_transfers: int = 200_000
    group_transfers: int = 8_000
    retry_s: float = 10.0
    value_ahead: timedelta = timedelta(days=31)
    uncounted_transfers: int = 100_000


class _Job(NamedTuple):
    """One call's drafts, and where its answer goes."""

    group: Group
    answer: asyncio.Future[list[Outcome]]


class Writer:
    """Posts entries. `run` must be running for `post` to be answered."""

    def __init__(
        self,
        store: PostingStore,
        tenure: Tenure,
        clock: Clock,
        *,
        limits: WriterLimits | None = None,
        committed: Callable[[Plan], None] = lambda _: None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """committed: called after each transaction that moved the head, with the plan that is
        written: of no entries if it is not known which they are. It must not block.
        """
        self._store = store
        self._tenure = tenure
        self._clock = clock
        self._limits = limits or WriterLimits()
        self._committed = committed
        self._pause = pause
        self._jobs: deque[_Job] = deque()
        self._queued_transfers = 0
        self._last_transfers = 0  # of the group that was taken last
        self._arrived = asyncio.Event()
        self._serving: set[asyncio.Future[None]] = set()
        self._turn = asyncio.Event()  # another group may be taken, perhaps
        self._closed = False
        self._appending = Appending(
            store,
            clock,
            ahead=self._limits.value_ahead,
            uncounted=self._limits.uncounted_transfers,
        )

    async def post(self, drafts: Iterable[EntryDraft | Fault]) -> list[Outcome]:
        """Posts each draft that can be, and answers in their order when they are durable.

        drafts: each is made ready as it comes, while it is at hand; what is a Fault already is its
        own answer. A problem of one draft is its answer and does not touch the others. Once all are
        ready, the work goes on if the caller is cancelled. Raises Fault(QUEUE_FULL) or
        Fault(LEDGER_STANDBY), with nothing posted; DEPENDENCY_UNAVAILABLE or SHUTTING_DOWN, with
        nothing posted by this call; and OUTCOME_UNKNOWN.
        """
        self._tenure.require_term()
        group = Group()
        faults: dict[int, Fault] = {}  # by their places
        for place, draft in enumerate(drafts):
            if place % _DRAFTS_AT_ONCE == _DRAFTS_AT_ONCE - 1:
                await asyncio.sleep(0)
            try:
                if isinstance(draft, Fault):
                    raise draft
                require_postable(draft)
                group.add(prepare(draft))
            except Fault as fault:
                faults[place] = fault
        outcomes = await self._enqueue(group) if group.drafts else []
        for place, problem in faults.items():
            outcomes.insert(place, problem)
        return outcomes

    async def post_all(self, parts: Iterable[Drafts]) -> list[Outcome]:
        """As `post`, of drafts that are ready. What making any of them raises is raised, with
        nothing posted.
        """
        self._tenure.require_term()
        drafts = Drafts()
        for part in parts:
            drafts.extend(part)
            await asyncio.sleep(0)
        return await self._enqueue(Group.of(drafts)) if drafts else []

    async def post_one(self, draft: EntryDraft) -> Posting:
        """Posts a draft, and answers when it is durable. Raises its Fault, and those of `post`."""
        (outcome,) = await self.post([draft])
        return _posting(outcome)

    async def decide(self, draft: EntryDraft) -> Posting:
        """Posts a decision, which moves nothing. Raises as `post_one`."""
        self._tenure.require_term()
        (outcome,) = await self._enqueue(Group([prepare(draft)]))
        return _posting(outcome)

    async def open_account(self, name: AccountName, entry_id: EntryId, by: str) -> None:
        """Opens an account unless it is open, by an entry that says by whom; durable when it
        returns.

        Raises Fault(ACCOUNT_NOT_IN_CHART), CURRENCY_UNKNOWN, UNIT_MISMATCH, and as `decide`.
        """
        require_unit(name)
        self._tenure.require_term()
        if await self._store.is_open(name):
            return
        decision = AccountDecision(name, opens=True)
        draft = draft_of_account(entry_id, decision, value_time=self._clock(), by=by, document="")
        try:
            await self.decide(draft)
        except Fault:
            # Another call with the same id may have opened it a moment earlier.
            if not await self._store.is_open(name):
                raise

    async def run(self) -> None:
        """Writes until cancelled; finishes the groups at hand, and answers the rest SHUTTING_DOWN.

        A group that fails by a defect is answered so, and the next one is tried.
        """
        try:
            while True:
                await self._arrived.wait()
                await self._await_turn()
                if len(self._jobs) > 1 and self._queued_transfers < _ENOUGH_TRANSFERS:
                    await await_company(
                        lambda: self._queued_transfers,
                        self._pause,
                        step_s=_STEP_S,
                        enough=_ENOUGH_TRANSFERS,
                    )
                serving = asyncio.ensure_future(self._serve(self._take()))
                serving.add_done_callback(lambda _: self._turn.set())
                self._serving.add(serving)
        finally:
            self._closed = True
            if self._serving:
                await asyncio.wait(self._serving)
            for job in self._jobs:
                _refuse(job, _shutting_down())
            self._jobs.clear()
            self._count_queue(-self._queued_transfers)
            await self._store.close()

    async def _await_turn(self) -> None:
        """Until the last group is written, so that the next one gathers meanwhile; or, if enough
        waits already, until it can be made ready while only one is written. Enough is half a whole
        group, and as much as the last one had: with few calls in flight a larger one would leave
        nothing for the next.
        """
        while True:
            for served in [one for one in self._serving if one.done()]:
                self._serving.remove(served)
                served.result()
            whole = self._limits.group_transfers
            enough = min(whole, max(whole // 2, self._last_transfers))
            if len(self._serving) <= (1 if self._queued_transfers >= enough else 0):
                return
            self._turn.clear()
            await self._turn.wait()

    async def expire(self, every_s: float) -> None:
        """Ends holds whose time is over also while nobody posts; until cancelled.

        Under load there is nothing left for it: each group begins with the holds that are over.
        """
        while True:
            await asyncio.sleep(every_s)
            try:
                self._tenure.require_term()
                next_expiry = await self._store.next_expiry()
                if next_expiry is not None and next_expiry <= self._clock():
                    await self._enqueue(Group())
            except Exception as error:
                fault = error if isinstance(error, Fault) else fault_of(error)
                if fault is None:
                    raise
                if fault.reason is not Reason.LEDGER_STANDBY:
                    _log.warning("holds expire later", reason=fault.reason)

    async def _enqueue(self, group: Group) -> list[Outcome]:
        if self._closed:
            raise _shutting_down()
        transfers = group.transfers
        if self._jobs and self._queued_transfers + transfers > self._limits.queue_transfers:
            raise Fault(
                Reason.QUEUE_FULL,
                f"{self._queued_transfers} transfers wait to be written; "
                "send the same entries again in a moment",
                retry_after=0.5,
            )
        job = _Job(group, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._count_queue(transfers)
        self._arrived.set()
        self._turn.set()
        return await job.answer

    def _take(self) -> list[_Job]:
        """The jobs at the front of the queue that fit into one group; at least one."""
        taken = [self._jobs.popleft()]
        transfers = taken[0].group.transfers
        most = self._limits.group_transfers
        while self._jobs and transfers + self._jobs[0].group.transfers <= most:
            taken.append(self._jobs.popleft())
            transfers += taken[-1].group.transfers
        self._count_queue(-transfers)
        self._last_transfers = transfers
        if not self._jobs:
            self._arrived.clear()
        return taken

    async def _serve(self, jobs: Sequence[_Job]) -> None:
        group = Group.joined([job.group for job in jobs])
        start = monotonic()
        try:
            outcomes = await self._post_group(group)
        except Exception as error:  # noqa: BLE001  whoever waits must hear of any failure
            for job in jobs:
                _refuse(job, error)
            return
        metrics.GROUP_ENTRIES.observe(len(group.drafts))
        metrics.GROUP_SECONDS.observe(monotonic() - start)
        begin = 0
        for job in jobs:
            end = begin + len(job.group.drafts)
            if not job.answer.done():
                job.answer.set_result(outcomes[begin:end])
            begin = end

    async def _post_group(self, group: Group) -> list[Outcome]:
        """Posts a group; tries again while the database is away, which entry ids make safe."""
        give_up = monotonic() + self._limits.retry_s
        pause = _FIRST_PAUSE_S
        unsure: set[bytes] = set()
        while True:
            try:
                plan = await self._appending.append(self._tenure.require_term(), group, unsure)
                break
            except Exception as error:
                fault = fault_of(error)
                if fault is None:
                    if unsure:  # and another may write now, so that this process cannot find out
                        raise _outcome_unknown() from error
                    raise
                if monotonic() + pause > give_up:
                    if unsure:
                        raise _outcome_unknown() from error
                    raise fault from error
                _log.warning("posting is tried again", error=repr(error)[:200], pause_s=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        if plan.entries:
            metrics.HEAD_SEQUENCE.set(plan.head.sequence)
            metrics.ENTRIES_POSTED.inc(len(plan.entries))
            metrics.TRANSFERS_POSTED.inc(plan.transfers)
        if plan.entries or unsure:
            self._committed(plan)
        if not unsure:
            return plan.outcomes
        return [_first_posting(outcome, unsure) for outcome in plan.outcomes]

    def _count_queue(self, transfers: int) -> None:
        self._queued_transfers += transfers
        metrics.QUEUE_TRANSFERS.set(self._queued_transfers)


def _posting(outcome: Outcome) -> Posting:
    if isinstance(outcome, Fault):
        raise outcome
    return outcome


def _first_posting(outcome: Outcome, unsure: set[bytes]) -> Outcome:
    """An entry that an attempt whose commit was lost has posted all the same is no replay, once."""
    if isinstance(outcome, Posting) and outcome.hash in unsure:
        unsure.remove(outcome.hash)
        return outcome._replace(replayed=False)
    return outcome


def _refuse(job: _Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)


def _outcome_unknown() -> Fault:
    return Fault(
        Reason.OUTCOME_UNKNOWN,
        "the connection to the database broke during the commit and does not come back; "
        "repeat the call with the same ids to learn its outcome",
    )


def _shutting_down() -> Fault:
    return Fault(Reason.SHUTTING_DOWN, "this server is stopping; retry, another takes over")
