"""What a group of drafts does to the books: decided in memory, before anything is written.

Pure: the same books and drafts give the same plan. The writer reads what it needs under the head's
lock, plans, and hands the plan to the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from services.ledger import seal
from services.ledger.calendar import day_of
from services.ledger.domain import (
    INT64_MAX,
    AccountName,
    Cell,
    Dates,
    Entry,
    EntryDraft,
    Head,
    Posting,
    Sums,
    Transfer,
)
from services.ledger.rules import require_valid, watermarks_of
from services.ledger.totals import changes_of
from services.runtime.errors import Fault, Reason

Outcome = Posting | Fault
"""What became of one draft."""


class Prepared(NamedTuple):
    """A valid draft with its part of the canonical text, made once for all attempts."""

    draft: EntryDraft
    content: bytes
    content_hash: bytes


def prepare(draft: EntryDraft) -> Prepared:
    """Checks a draft and renders it. Raises the Fault of what is wrong (rules.py)."""
    require_valid(draft)
    content = seal.content_of(draft)
    return Prepared(draft, content, seal.content_hash(content))


class Posted(NamedTuple):
    """An entry that stands in the books, as far as a repetition is judged by it."""

    sequence: int
    content_hash: bytes
    hash: bytes


class Turnover(NamedTuple):
    """The sums of all debits and all credits of one account, in micros."""

    debits: int
    credits: int


@dataclass(frozen=True, slots=True)
class Books:
    """What a plan needs to know, all read under the head's lock.

    posted: of the drafts' entry ids, those that stand in the books.
    turnovers: of the accounts that the other drafts use, those that are opened.
    """

    head: Head
    posted: Mapping[UUID, Posted]
    turnovers: Mapping[AccountName, Turnover]


@dataclass(slots=True)
class Plan:
    """What to write, and what to answer for each draft in their order.

    entries: the new ones. turnovers: of every account that they use, opened or not, as they will
    be. totals: what to add. watermarks: what they state; the later time wins.
    """

    head: Head
    outcomes: list[Outcome] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    turnovers: dict[AccountName, Turnover] = field(default_factory=dict)
    totals: dict[Cell, Sums] = field(default_factory=dict)
    watermarks: dict[str, datetime] = field(default_factory=dict)


def accounts_of(drafts: Iterable[EntryDraft]) -> set[AccountName]:
    """The accounts that drafts use."""
    names: set[AccountName] = set()
    for draft in drafts:
        for transfer in draft.transfers:
            names.update(sides_of(transfer.debit, transfer.credit, transfer.currency))
    return names


@lru_cache(maxsize=65_536)
def sides_of(debit: str, credit: str, currency: str) -> tuple[AccountName, AccountName]:
    """The debited and the credited account of a transfer."""
    return AccountName(debit, currency), AccountName(credit, currency)


def plan_group(group: Sequence[Prepared], books: Books, now: datetime) -> Plan:
    """Plans the drafts in their order, each all or nothing.

    An entry id that is posted, or that an earlier draft of the group takes, is a replay or an
    ENTRY_CONFLICT. A draft that would carry an account beyond 64 bits is BALANCE_OVERFLOW.
    """
    plan = Plan(head=books.head)
    posted = dict(books.posted)
    sums = _Sums(books.turnovers)
    # Recording times never run backwards along the chain, whatever the clock does.
    recorded_time = max(now, books.head.recorded_time or now)
    for prepared in group:
        draft = prepared.draft
        if before := posted.get(draft.entry_id):
            plan.outcomes.append(_repeated(prepared, before))
            continue
        if overflowing := sums.add(draft.transfers):
            plan.outcomes.append(_overflow(overflowing))
            continue
        entry = _sealed(prepared, plan.head, recorded_time)
        posted[draft.entry_id] = Posted(entry.sequence, prepared.content_hash, entry.hash)
        plan.head = Head(entry.sequence, entry.hash, recorded_time)
        plan.outcomes.append(Posting(entry.sequence, entry.hash, replayed=False))
        plan.entries.append(entry)
        for partner, time in watermarks_of(draft.metadata).items():
            plan.watermarks[partner] = max(time, plan.watermarks.get(partner, time))
    plan.turnovers = sums.changed()
    plan.totals = changes_of(
        transfer for entry in plan.entries for transfer in entry.draft.transfers
    )
    return plan


class _Sums:
    """What has gone through the accounts, entry by entry."""

    def __init__(self, before: Mapping[AccountName, Turnover]) -> None:
        self._before = before
        self._debits = {name: turnover.debits for name, turnover in before.items()}
        self._credits = {name: turnover.credits for name, turnover in before.items()}

    def add(self, transfers: Sequence[Transfer]) -> AccountName | None:
        """Adds all of the transfers; or none of them, and returns the account that overflows."""
        debits, credits_ = self._debits, self._credits
        for number, transfer in enumerate(transfers, start=1):
            debit, credit = sides_of(transfer.debit, transfer.credit, transfer.currency)
            debits[debit] = debited = debits.get(debit, 0) + transfer.micros
            credits_[credit] = credited = credits_.get(credit, 0) + transfer.micros
            if debited > INT64_MAX or credited > INT64_MAX:
                self._take_back(transfers[:number])
                return debit if debited > INT64_MAX else credit
        return None

    def changed(self) -> dict[AccountName, Turnover]:
        """The accounts through which something has gone, and how much by now."""
        now = {
            name: Turnover(self._debits.get(name, 0), self._credits.get(name, 0))
            for name in self._debits.keys() | self._credits.keys()
        }
        return {
            name: turnover
            for name, turnover in now.items()
            if turnover != self._before.get(name, _NONE)
        }

    def _take_back(self, transfers: Sequence[Transfer]) -> None:
        for transfer in transfers:
            debit, credit = sides_of(transfer.debit, transfer.credit, transfer.currency)
            self._debits[debit] -= transfer.micros
            self._credits[credit] -= transfer.micros


_NONE = Turnover(0, 0)


def _repeated(prepared: Prepared, before: Posted) -> Outcome:
    if prepared.content_hash == before.content_hash:
        return Posting(before.sequence, before.hash, replayed=True)
    return Fault(
        Reason.ENTRY_CONFLICT,
        f"this entry id was posted as entry {before.sequence} with other content, which stands; "
        "post other content under another id",
        sequence=str(before.sequence),
    )


def _overflow(name: AccountName) -> Fault:
    return Fault(
        Reason.BALANCE_OVERFLOW,
        f"account {name.code} in {name.currency} would turn over more than 64 bits of micros hold; "
        "use another account",
        account=name.code,
    )


def _sealed(prepared: Prepared, head: Head, recorded_time: datetime) -> Entry:
    sequence = head.sequence + 1
    value_date = day_of(prepared.draft.value_time)
    dates = Dates(value_date, value_date)
    text = seal.text_of(sequence, recorded_time, dates, prepared.content)
    return Entry(
        sequence=sequence,
        recorded_time=recorded_time,
        draft=prepared.draft,
        content_hash=prepared.content_hash,
        previous_hash=head.hash,
        hash=seal.entry_hash(head.hash, text),
        version=seal.VERSION,
        dates=dates,
    )
