"""Books in memory: what the store keeps, as dictionaries, to plan groups against."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.ledger import seal
from services.ledger.calendar import day_of
from services.ledger.domain import NO_HASH, AccountName, Cell, Entry, Head, Sums
from services.ledger.plan import (
    Books,
    Outcome,
    Posted,
    Prepared,
    Turnover,
    plan_group,
)


class MemoryBooks:
    """Takes groups one after the other."""

    def __init__(self) -> None:
        self.head = Head(0, NO_HASH, None)
        self.entries: list[Entry] = []
        self.turnovers: dict[AccountName, Turnover] = {}
        self.totals: dict[Cell, Sums] = {}
        self.watermarks: dict[str, datetime] = {}

    def post(self, group: Sequence[Prepared], now: datetime) -> list[Outcome]:
        """Plans the group and writes the plan down."""
        plan = plan_group(group, Books(self.head, self._posted(), self.turnovers), now)
        self.head = plan.head
        self.entries += plan.entries
        self.turnovers |= plan.turnovers
        for cell, sums in plan.totals.items():
            before = self.totals.get(cell, Sums(0, 0))
            self.totals[cell] = Sums(before.micros + sums.micros, before.tally + sums.tally)
        for partner, time in plan.watermarks.items():
            self.watermarks[partner] = max(time, self.watermarks.get(partner, time))
        return plan.outcomes

    def _posted(self) -> Mapping[UUID, Posted]:
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
        assert entry.dates.value == day_of(entry.draft.value_time)
        text = seal.text_of(number, entry.recorded_time, entry.dates, content)
        assert entry.hash == seal.entry_hash(previous, text)
        assert recorded is not None
        assert entry.recorded_time >= recorded
        previous, recorded = entry.hash, entry.recorded_time
