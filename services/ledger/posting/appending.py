"""One group behind the end of the chain, in one transaction.

Nearly always this process wrote the last entry, remembers how the books stand behind it, and writes
on without a question. Whatever that does not cover is planned from what stands in the books.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from services.ledger.journal.group import Group
from services.ledger.journal.periods import Periods
from services.ledger.journal.plan import Books, Plan, plan_group, recorded_time
from services.ledger.journal.standing import names_of
from services.ledger.journal.tally import Tally
from services.ledger.posting.leadership import standing_by
from services.ledger.posting.memory import Memory
from services.ledger.store.posting import (
    EntryRepeated,
    Locked,
    PostingStore,
    PostingTransaction,
    Seen,
    TotalTooLarge,
)
from services.ledger.store.rendered import Rendered
from services.ledger.store.steps import DueHolds
from services.runtime.clock import Clock
from services.runtime.database import OutcomeUnknown

_log = structlog.get_logger()

_MOMENT = timedelta(microseconds=1)


class Ready(NamedTuple):
    """A plan that may be written next, what it was made from, and its rows."""

    books: Books
    tally: Tally
    rendered: Rendered

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.rendered.plan


class Appending:
    """Appends groups, two at a time: while one is written the next is made ready.

    ahead: how far ahead of the clock an entry may count, but for what intake counted. uncounted:
    how many transfers the totals' tables may lack.
    """

    def __init__(
        self, store: PostingStore, clock: Clock, *, ahead: timedelta, uncounted: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._ahead = ahead
        self._uncounted_max = uncounted
        self._memory = Memory()
        # What the next is planned behind: it is ready, and will be written if it can be. What is
        # written is remembered, and must not be added to that once more.
        self._unwritten: Plan | None = None
        self._counts = True  # whether the totals' tables can take what is gathered
        # Both are taken in the order in which they are asked for.
        self._planning = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def append(self, term: int, group: Group, unsure: set[bytes]) -> Plan:
        """Posts a group; returns what was written, durably, and what to answer.

        unsure: if the commit is lost, the hashes of its entries are added. Raises
        Fault(LEDGER_STANDBY) if the term is over; OutcomeUnknown; and the database's errors, with
        nothing written.
        """
        async with AsyncExitStack() as planning:
            await planning.enter_async_context(self._planning)
            ready = await self._ready(group)
            begun = self._begun(term, ready)
            async with self._writing:
                if ready and not begun and not self._memory.ends_at(ready.books.head):
                    # What it was planned behind was not written after all.
                    self._unwritten = None
                    ready = await self._ready(group)
                if ready:
                    await planning.aclose()
                    writing = begun or self._store.continue_chain(term, ready.rendered)
                    if await self._continue(ready, writing, unsure):
                        return ready.plan
                try:
                    return await self._look(term, group, unsure)
                except TotalTooLarge:
                    if not self._counts:
                        raise
                    # The entries behind it are in the books: posting must go on, if only so that
                    # they can be reversed.
                    _log.error("a total exceeds 64 bits: reverse what brought it there, restart")
                    self._counts = False
                    return await self._look(term, group, unsure)

    async def _ready(self, group: Group) -> Ready | None:
        """A group's plan behind what is remembered and what is being written, without asking how
        the books stand. It is written only if they stand so by then.

        None if that must be asked: for what is not remembered, and before anything in the group is
        refused or a replay.
        """
        now, behind = self._clock(), self._unwritten
        books, tally = self._memory.books(group, now, behind), self._memory.tally()
        if books is None or tally is None:
            return None
        plan = plan_group(group, books, now, self._ahead)
        if not plan.entries or len(plan.entries) < len(group.drafts):
            return None
        tally.decide(plan, behind, counts=self._counts)
        rendered = await self._store.render(plan)
        if rendered is None:
            return None
        self._unwritten = plan
        return Ready(books, tally, rendered)

    def _begun(self, term: int, ready: Ready | None) -> asyncio.Task[bool] | None:
        """The writing of a large group, begun.

        It comes to the database right behind the one before, which need not be known to be written:
        if it is not, the head says so. None for a small one, which shares a connection with others.
        """
        if ready is None or not ready.rendered.is_large:
            return None
        return asyncio.create_task(self._store.continue_chain(term, ready.rendered))

    async def _continue(self, ready: Ready, writing: Awaitable[bool], unsure: set[bytes]) -> bool:
        """Follows the writing of what is ready.

        False, with nothing done, if anybody else has written or was told how the books stand at
        its time, one of its entries is posted, or a total is too large.
        """
        written = False
        try:
            written = await writing
        except (EntryRepeated, TotalTooLarge):
            pass
        except OutcomeUnknown:
            self._memory.forget()
            unsure |= _hashes(ready.plan)
            raise
        finally:
            if not written or self._unwritten is ready.plan:
                self._unwritten = None
        # If it is unknown what became of the one before, there is nothing to go on from; and if it
        # came behind this one after all, it is remembered already.
        if written and self._memory.ends_at(ready.books.head):
            self._memory.learn(ready.books, ready.plan, ready.tally)
        return written

    async def _look(self, term: int, group: Group, unsure: set[bytes]) -> Plan:
        """Posts a group behind what stands in the books, under the head's lock."""
        plan: Plan | None = None
        try:
            async with self._store.begin() as transaction:
                entry_ids = set(group.drafts.entry_ids)
                seen = await transaction.lock_head(term, entry_ids, group.accounts())
                if seen is None:
                    raise standing_by()
                now = self._time_behind(seen.locked)
                books = await self._read(transaction, seen, group, now)
                tally = await self._tally(transaction, seen.locked)
                plan = plan_group(group, books, now, self._ahead)
                tally.decide(plan, counts=self._counts)
                if plan.entries or plan.next_expiry != seen.locked.next_expiry:
                    await transaction.append(plan)
        except OutcomeUnknown:
            if plan is not None:
                unsure |= _hashes(plan)
            raise
        self._memory.learn(books, plan, tally)
        return plan

    async def _tally(self, transaction: PostingTransaction, locked: Locked) -> Tally:
        """What is uncounted; what another process has left is read, and counted with the next."""
        remembered = self._memory.tally()
        if (
            remembered is not None
            and self._memory.ends_at(locked.head)
            and remembered.uncounted == locked.uncounted
        ):
            return remembered
        cells = await transaction.changes_by(locked.uncounted)
        most = self._uncounted_max
        return Tally(locked.uncounted, cells, transfers=most if cells else 0, most=most)

    def _time_behind(self, locked: Locked) -> datetime:
        """When the next entry is recorded: behind the last, and behind what anybody was told."""
        now = self._clock()
        if locked.asked_time is not None:
            now = max(now, locked.asked_time + _MOMENT)
        return recorded_time(locked.head, now)

    async def _read(
        self, transaction: PostingTransaction, seen: Seen, group: Group, now: datetime
    ) -> Books:
        """What the group's plan needs to know: for plain entries, what is seen with the lock."""
        locked, posted, standing = seen
        periods = Periods()
        if locked.periods_sequence:
            # Of the same number, a decision may be another one: where a standby took over.
            known = self._memory.ends_at(locked.head)
            periods = self._memory.periods() if known else await transaction.periods()
        due, next_expiry = DueHolds([], locked.next_expiry)
        if next_expiry is not None and next_expiry <= now:
            due, next_expiry = await transaction.due(next_expiry, now)
        about = {
            name
            for other in group.drafts.others.values()
            if other.draft.entry_id not in posted
            for name in other.about
        }
        named = await transaction.named(about) if about else {}
        if due:
            names = group.accounts() | names_of([hold for _, hold in due])
            standing = await transaction.standing(names)
        turnovers, guards = standing
        return Books(locked.head, posted, turnovers, guards, named, due, next_expiry, periods)


def _hashes(plan: Plan) -> set[bytes]:
    return set(plan.entries.hashes)
