"""What a group of drafts does to the books: decided in memory, before anything is written.

Pure: the same books and drafts give the same plan. The writer reads what it needs under the head's
lock, plans, and hands the plan to the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import NamedTuple
from uuid import UUID, uuid5

from services.ledger.domain import (
    INT64_MAX,
    AccountName,
    Cause,
    CauseKind,
    Changes,
    Dates,
    EntryDraft,
    EntryId,
    Head,
    Posting,
    TotalsChange,
    Transfer,
    TransferName,
    Uncounted,
)
from services.ledger.journal import seal
from services.ledger.journal.decisions import DECISIONS, AccountDecision, account_decision_of
from services.ledger.journal.drafts import Drafts, Prepared
from services.ledger.journal.entries import Entries
from services.ledger.journal.group import Group
from services.ledger.journal.made import all_made
from services.ledger.journal.periods import Late, Periods, period_decision_of
from services.ledger.journal.routes import RouteSums
from services.ledger.journal.rules import too_far_ahead, watermarks_of
from services.ledger.journal.standing import Accounts, Effect, Guard, Turnover, added
from services.ledger.journal.steps import End, Named, effects_of, expired
from services.ledger.journal.totals import changes_of, moved
from services.runtime.errors import Fault, Reason

Outcome = Posting | Fault
"""What became of one draft."""


class Posted(NamedTuple):
    """An entry that stands in the books, as far as a repetition is judged by it."""

    sequence: int
    content_hash: bytes
    hash: bytes


class Due(NamedTuple):
    """A hold whose time is over."""

    name: TransferName
    hold: Transfer


@dataclass(frozen=True, slots=True)
class Books:
    """What a plan needs to know, all read under the head's lock.

    posted: of the drafts' entry ids, those that stand in the books.
    turnovers: of the accounts that the other drafts use, those that are opened.
    guards: what binds the accounts that they use, where anything does.
    named: the transfers that they are about, as far as they stand in the books.
    due: open holds that are over, the first ones. next_expiry: no other open hold is over before.
    periods: their states.
    """

    head: Head
    posted: Mapping[EntryId, Posted] = field(default_factory=dict)
    turnovers: Mapping[AccountName, Turnover] = field(default_factory=dict)
    guards: Mapping[AccountName, Guard] = field(default_factory=dict)
    named: Mapping[TransferName, Named] = field(default_factory=dict)
    due: Sequence[Due] = ()
    next_expiry: datetime | None = None
    periods: Periods = field(default_factory=Periods)


@dataclass(slots=True)
class Plan:
    """What to write, and what to answer for each draft in their order.

    before: how the accounts stood that are opened. entries: the new ones; transfers: how many all
    of them have. turnovers: of every account that
    they use, opened or not, as they will be; stepped: those of them on which holds may be other
    than before. decisions: what they decide on accounts, in order. totals: what they change;
    counted: what is added to the tables, for entries before, too; uncounted: the entries that are
    left (tally.py). watermarks: what they state; the later time wins. next_expiry: no open hold is
    over before. periods: their states behind the entries. late: what came late.
    """

    entries: Entries
    next_expiry: datetime | None
    periods: Periods
    before: Mapping[AccountName, Turnover] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    transfers: int = 0
    turnovers: dict[AccountName, Turnover] = field(default_factory=dict)
    stepped: set[AccountName] = field(default_factory=set)
    decisions: list[AccountDecision] = field(default_factory=list)
    totals: Changes = field(default_factory=dict)
    counted: Changes = field(default_factory=dict)
    uncounted: Uncounted | None = None
    watermarks: dict[str, datetime] = field(default_factory=dict)
    late: list[Late] = field(default_factory=list)

    @property
    def head(self) -> Head:
        """The end of the chain behind its entries."""
        return self.entries.head

    def change(self) -> TotalsChange | None:
        """What its entries change in the totals; None if it has no entries."""
        if not self.entries:
            return None
        before = self.entries.before
        return TotalsChange(
            before.sequence,
            self.head.sequence,
            before.hash,
            self.head.hash,
            self.entries.recorded_time,
            moved(self.totals),
            self.watermarks,
        )


def recorded_time(head: Head, now: datetime) -> datetime:
    """When entries after head are recorded: never before it, whatever the clock does."""
    return max(now, head.recorded_time or now)


def plan_group(group: Group, books: Books, now: datetime, ahead: timedelta) -> Plan:
    """Plans the drafts in their order, each all or nothing.

    ahead: how much later than now an entry may count that is not of intake's.

    Holds whose time is over end first, in an entry of the ledger's own. An entry id that is posted,
    or that an earlier draft of the group takes, is a replay or an ENTRY_CONFLICT. What the accounts
    or the transfers that it is about do not allow is refused.
    """
    sums = group.sums if cannot_refuse(group, books) else None
    planning = _Planning(books, recorded_time(books.head, now), ahead, sums)
    planning.expire(books.due)
    if sums is None or not planning.take_all(group.drafts):
        for prepared in group.drafts:
            planning.take(prepared)
    return planning.finish()


def cannot_refuse(group: Group, books: Books) -> bool:
    """Whether no account can refuse any of the drafts, in whatever order: all are plain movements,
    nothing binds an account, and all of them together with what is held stay within 64 bits.
    """
    if books.guards or books.due or group.drafts.others:
        return False
    most = max(
        [
            max(debits + held_debits, credits_ + held_credits)
            for debits, credits_, held_debits, held_credits in books.turnovers.values()
        ],
        default=0,
    )
    return most + group.sums.micros() <= INT64_MAX


class _Planning:
    """A plan in the making.

    sums: what all drafts come to, if no account can refuse any: then the accounts hear of the sums
    alone, else they are asked about each draft. Both come to the same.
    """

    def __init__(
        self, books: Books, now: datetime, ahead: timedelta, sums: RouteSums | None
    ) -> None:
        self._before = books.head
        self._now = now
        self._ahead = ahead
        self._latest = now + ahead
        self._sums = sums
        self._posted = dict(books.posted)
        self._accounts = Accounts(books.turnovers if sums is None else {}, books.guards)
        self._named = dict(books.named)
        self._plan = Plan(
            Entries(books.head, now), books.next_expiry, books.periods, books.turnovers
        )

    def expire(self, due: Sequence[Due]) -> None:
        """Ends holds that are over."""
        if not due:
            return
        transfers = tuple(expired(name, hold) for name, hold in due)
        cause = Cause(CauseKind.HOLD, str(due[0].name))
        # Which nobody can have taken before.
        entry_id = EntryId(str(uuid5(_EXPIRIES, self._before.hash.hex())))
        draft = EntryDraft(entry_id, cause, self._now, {}, transfers)
        sequence = self._next()
        effects = [Effect(transfer, -transfer.micros) for transfer in transfers]
        self._accounts.take(effects)
        for (name, hold), transfer in zip(due, transfers, strict=True):
            assert transfer.step is not None, "an expiry is a step"
            self._named[name] = Named(hold, End(transfer.step.kind, sequence))
        content = seal.content_of(draft)
        prepared = Prepared(draft, content, seal.content_hash(content), (), ())
        self._append(prepared, self._plan.periods.dates_of(draft, self._now))

    def take_all(self, drafts: Drafts) -> bool:
        """Plans drafts together that no account can refuse, if nothing else can refuse any either,
        none is a replay, and none states a fact; else does nothing. Comes to what taking each does.
        """
        times = set(drafts.value_times)
        if (
            not drafts.are_plain()
            or self._posted
            or len(set(drafts.entry_ids)) < len(drafts)
            or drafts.any_of(CauseKind.INTAKE_BATCH)
            or any(time > self._latest for time in times)
        ):
            return False
        dates_of = {time: self._plan.periods.open_dates(time) for time in times}
        dates = [found for time in drafts.value_times if (found := dates_of[time]) is not None]
        if len(dates) < len(drafts):
            return False
        plan = self._plan
        plan.entries = entries = Entries.of(self._before, self._now, drafts, dates)
        plan.transfers = sum(map(len, drafts.moves))
        rows = zip(entries.sequences, entries.hashes, repeat(False))
        plan.outcomes = list(all_made(Posting, rows))
        return True

    def take(self, prepared: Prepared) -> None:
        """Plans a draft, and notes what became of it."""
        draft = prepared.draft
        if before := self._posted.get(draft.entry_id):
            self._plan.outcomes.append(_repeated(prepared, before))
            return
        try:
            # What intake counted has happened, whenever it says.
            if draft.value_time > self._latest and draft.cause.kind is not CauseKind.INTAKE_BATCH:
                raise too_far_ahead(self._ahead)
            dates = self._plan.periods.dates_of(draft, self._now)
            if self._sums is not None:
                pass  # all at once, in the end
            elif prepared.moves:
                self._accounts.move(
                    prepared.moves, is_bound=draft.cause.kind is not CauseKind.INTAKE_BATCH
                )
            elif draft.transfers:
                self._take_steps(draft)
            elif draft.cause.kind in DECISIONS:
                self._decide(draft)
            # What is left states a watermark alone.
        except Fault as fault:
            self._plan.outcomes.append(fault)
            return
        posted = self._append(prepared, dates)
        self._posted[draft.entry_id] = posted
        self._plan.outcomes.append(Posting(posted.sequence, posted.hash, False))

    def finish(self) -> Plan:
        """The plan."""
        plan = self._plan
        if self._sums is not None:
            sums = self._sums
            if len(plan.entries) < len(plan.outcomes):  # some were posted before, or are refused
                sums = RouteSums()
                sums.add(chain.from_iterable(plan.entries.drafts.moves))
            plan.turnovers = added(plan.before, sums)
            plan.totals = sums.changes()
        else:
            plan.turnovers = self._accounts.changed()
            plan.stepped = self._accounts.stepped
            plan.totals = changes_of(
                transfer
                for prepared in plan.entries.drafts
                for transfer in prepared.draft.transfers
            )
        return plan

    def _take_steps(self, draft: EntryDraft) -> None:
        effects, named = effects_of(draft, self._find, self._next(), self._now)
        self._accounts.take(effects)
        self._named |= named
        for found in named.values():
            step = found.transfer.step
            if step is not None and step.expire_time is not None and found.end is None:
                known = self._plan.next_expiry
                self._plan.next_expiry = min(step.expire_time, known or step.expire_time)

    def _find(self, name: TransferName) -> Named | None:
        """A transfer in the books, or in an entry of this plan."""
        if found := self._named.get(name):
            return found
        place = name.sequence - self._before.sequence - 1
        if not 0 <= place < len(self._plan.entries):
            return None
        transfers = self._plan.entries[place].draft.transfers
        return Named(transfers[name.position]) if 0 <= name.position < len(transfers) else None

    def _decide(self, draft: EntryDraft) -> None:
        plan = self._plan
        if draft.cause.kind is CauseKind.PERIOD:
            on_period = period_decision_of(draft.cause.id, draft.metadata)
            plan.periods.require(on_period, self._now)
            plan.periods = plan.periods.after(on_period, self._next())
            return
        decision = account_decision_of(draft.cause.id, draft.metadata)
        if decision.opens:
            self._accounts.open(decision.name)
        if decision.state is not None or decision.limit is not None:
            self._accounts.decide(decision.name, decision.state, decision.limit)
            plan.decisions.append(decision)

    def _next(self) -> int:
        """The sequence of the next entry."""
        return self._plan.entries.head.sequence + 1

    def _append(self, prepared: Prepared, dates: Dates) -> Posted:
        plan, draft = self._plan, prepared.draft
        plan.entries.append(prepared, dates)
        plan.transfers += len(draft.transfers)
        sequence, hash_, _ = plan.entries.head
        if plan.periods.states:
            plan.late += plan.periods.late(draft, sequence)
        if draft.metadata:
            for partner, time in watermarks_of(draft.metadata).items():
                plan.watermarks[partner] = max(time, plan.watermarks.get(partner, time))
        return Posted(sequence, prepared.content_hash, hash_)


_EXPIRIES = UUID("5b0bb5de-8f3c-5d0e-9d4c-0d0f2b1c7a11")
"""The namespace of the ids of the entries by which holds expire."""


def _repeated(prepared: Prepared, before: Posted) -> Outcome:
    if prepared.content_hash == before.content_hash:
        return Posting(before.sequence, before.hash, replayed=True)
    return Fault(
        Reason.ENTRY_CONFLICT,
        f"this entry id was posted as entry {before.sequence} with other content, which stands; "
        "post other content under another id",
        sequence=str(before.sequence),
    )
