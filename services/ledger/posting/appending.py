"""One group behind the end of the chain, in one transaction.

Nearly always this process wrote the last entry, remembers how the books stand behind it, and writes
on without a question. Whatever that does not cover is planned from what stands in the books.
"""

from datetime import datetime, timedelta

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
)
from services.ledger.store.steps import DueHolds
from services.runtime.clock import Clock
from services.runtime.database import OutcomeUnknown

_MOMENT = timedelta(microseconds=1)


class Appending:
    """Appends groups. For one at a time.

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

    async def append(self, term: int, group: Group, unsure: set[bytes]) -> Plan:
        """Posts a group; returns what was written, durably, and what to answer.

        unsure: if the commit is lost, the hashes of its entries are added. Raises
        Fault(LEDGER_STANDBY) if the term is over; OutcomeUnknown; and the database's errors, with
        nothing written.
        """
        return await self._continue(term, group, unsure) or await self._look(term, group, unsure)

    async def _continue(self, term: int, group: Group, unsure: set[bytes]) -> Plan | None:
        """Posts a group without asking how the books stand.

        None, with nothing done, if that must be asked all the same: for what is not remembered, if
        anybody else has written or was told how the books stand at this time, and before anything
        in the group is refused or a replay.
        """
        now = self._clock()
        books = self._memory.books(group, now)
        tally = None if books is None else self._memory.tally(books.head)
        if books is None or tally is None:
            return None
        plan = plan_group(group, books, now, self._ahead)
        if not plan.entries or len(plan.entries) < len(group.drafts):
            return None
        tally.decide(plan)
        try:
            if not await self._store.continue_chain(term, plan, books.head):
                return None
        except EntryRepeated:
            return None
        except OutcomeUnknown:
            self._memory.forget()
            unsure |= _hashes(plan)
            raise
        self._memory.learn(books, plan, tally)
        return plan

    async def _look(self, term: int, group: Group, unsure: set[bytes]) -> Plan:
        """Posts a group behind what stands in the books, under the head's lock."""
        plan: Plan | None = None
        try:
            async with self._store.begin() as transaction:
                entry_ids = {prepared.draft.entry_id for prepared in group.drafts}
                seen = await transaction.lock_head(term, entry_ids, group.accounts())
                if seen is None:
                    raise standing_by()
                now = self._time_behind(seen.locked)
                books = await self._read(transaction, seen, group, now)
                tally = await self._tally(transaction, seen.locked)
                plan = plan_group(group, books, now, self._ahead)
                tally.decide(plan)
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
        remembered = self._memory.tally(locked.head)
        if remembered is not None and remembered.uncounted == locked.uncounted:
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
            periods = self._memory.periods(locked.head) or await transaction.periods()
        due, next_expiry = DueHolds([], locked.next_expiry)
        if next_expiry is not None and next_expiry <= now:
            due, next_expiry = await transaction.due(next_expiry, now)
        about = {name for p in group.others if p.draft.entry_id not in posted for name in p.about}
        named = await transaction.named(about) if about else {}
        if due:
            names = group.accounts() | names_of([hold for _, hold in due])
            standing = await transaction.standing(names)
        turnovers, guards = standing
        return Books(locked.head, posted, turnovers, guards, named, due, next_expiry, periods)


def _hashes(plan: Plan) -> set[bytes]:
    return {entry.hash for entry in plan.entries}
