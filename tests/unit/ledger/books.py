"""Books in memory: what the store keeps, as dictionaries, to plan groups against."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from services.ledger.domain import (
    NO_HASH,
    AccountLimit,
    AccountName,
    AccountState,
    Cell,
    Entry,
    EntryId,
    Head,
    StepKind,
    Sums,
    Transfer,
    TransferName,
)
from services.ledger.journal import seal
from services.ledger.journal.calendar import calendar_of, day_of
from services.ledger.journal.drafts import Prepared, prepare
from services.ledger.journal.group import Group
from services.ledger.journal.periods import Late, Periods
from services.ledger.journal.plan import (
    Books,
    Due,
    Outcome,
    Posted,
    plan_group,
    recorded_time,
)
from services.ledger.journal.standing import Guard, Turnover, guard_of
from services.ledger.journal.steps import End, Named


class MemoryBooks:
    """Takes groups one after the other."""

    def __init__(self) -> None:
        self.head = Head(0, NO_HASH, None)
        self.entries: list[Entry] = []
        self.turnovers: dict[AccountName, Turnover] = {}
        self.decided: dict[AccountName, tuple[AccountState | None, AccountLimit | None]] = {}
        self.totals: dict[Cell, Sums] = {}
        self.watermarks: dict[str, datetime] = {}
        self.next_expiry: datetime | None = None
        self.periods = Periods()
        self.late: list[Late] = []
        self.ahead = timedelta(days=31)

    def post(self, group: Sequence[Prepared], now: datetime) -> list[Outcome]:
        """Plans the group and writes the plan down."""
        gathered = Group(group)
        books = self._books(gathered, recorded_time(self.head, now))
        plan = plan_group(gathered, books, now, self.ahead)
        self.head = plan.head
        self.entries += plan.entries
        self.turnovers |= plan.turnovers
        for name, state, limit, _ in plan.decisions:
            before = self.decided.get(name, (None, None))
            self.decided[name] = (state or before[0], limit or before[1])
        for cell, (micros, tally) in plan.totals.items():
            was = self.totals.get(cell, Sums(0, 0))
            self.totals[cell] = Sums(was.micros + micros, was.tally + tally)
        for partner, time in plan.watermarks.items():
            self.watermarks[partner] = max(time, self.watermarks.get(partner, time))
        self.next_expiry = plan.next_expiry
        self.periods = plan.periods
        self.late += plan.late
        return plan.outcomes

    def post_all(self, *drafts: object, now: datetime) -> list[Outcome]:
        """As post, with drafts as they are."""
        return self.post([prepare(draft) for draft in drafts], now)  # type: ignore[arg-type]

    def named(self) -> dict[TransferName, Named]:
        """Every transfer, and what became of it."""
        found: dict[TransferName, Named] = {}
        for entry in self.entries:
            for position, transfer in enumerate(entry.draft.transfers):
                found[TransferName(entry.sequence, position)] = Named(transfer)
                step = transfer.step
                if step is None or step.of is None:
                    continue
                of = found[step.of]
                if step.kind is StepKind.REVERSE:
                    back = Sums(
                        of.reversed.micros + transfer.micros, of.reversed.tally + transfer.tally
                    )
                    found[step.of] = of._replace(reversed=back)
                else:
                    assert of.end is None, "a hold ends once"
                    found[step.of] = of._replace(end=End(step.kind, entry.sequence))
        return found

    def open_holds(self) -> dict[TransferName, Transfer]:
        """The holds that have not ended."""
        return {
            name: named.transfer
            for name, named in self.named().items()
            if named.end is None
            and named.transfer.step is not None
            and named.transfer.step.kind is StepKind.HOLD
        }

    def _books(self, group: Group, now: datetime) -> Books:
        due: list[Due] = []
        next_expiry = self.next_expiry
        if next_expiry is not None and next_expiry <= now:
            ends = {
                name: hold.step.expire_time
                for name, hold in self.open_holds().items()
                if hold.step is not None and hold.step.expire_time is not None
            }
            holds = self.open_holds()
            due = [Due(name, holds[name]) for name, end in ends.items() if end <= now]
            next_expiry = min((end for end in ends.values() if end > now), default=None)
        names = group.accounts() | self.turnovers.keys()
        return Books(
            self.head,
            self._posted(),
            self.turnovers,
            self._guards(names),
            self.named(),
            due,
            next_expiry,
            self.periods,
        )

    def _guards(self, names: set[AccountName]) -> dict[AccountName, Guard]:
        guards = {}
        for name in names:
            guard = guard_of(name.code, *self.decided.get(name, (None, None)))
            if guard is not None:
                guards[name] = guard
        return guards

    def _posted(self) -> Mapping[EntryId, Posted]:
        return {
            entry.draft.entry_id: Posted(entry.sequence, entry.content_hash, entry.hash)
            for entry in self.entries
        }


def assert_chain(entries: Sequence[Entry]) -> None:
    """Entries are numbered from 1 without gaps, and each seals itself and the one before."""
    previous = NO_HASH
    recorded = entries[0].recorded_time if entries else None
    for number, entry in enumerate(entries, start=1):
        assert entry.sequence == number
        assert entry.previous_hash == previous
        content = seal.content_of(entry.draft)
        assert entry.content_hash == seal.content_hash(content)
        assert entry.version == seal.VERSION
        assert entry.dates is not None
        calendar = calendar_of(entry.draft.metadata)
        assert entry.dates.value == day_of(entry.draft.value_time, calendar)
        text = seal.text_of(number, entry.recorded_time, entry.dates, content)
        assert entry.hash == seal.entry_hash(previous, text)
        assert recorded is not None
        assert entry.recorded_time >= recorded
        previous, recorded = entry.hash, entry.recorded_time
