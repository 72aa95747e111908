"""New entries, that follow one another."""

from collections.abc import Sequence
from datetime import datetime

from services.ledger.domain import Dates, Entry, Head
from services.ledger.journal import seal
from services.ledger.journal.drafts import Drafts, Prepared
from services.ledger.journal.made import MadeOnDemand


class Entries(MadeOnDemand[Entry]):
    """Drafts that are numbered, dated and sealed behind the end of the chain, in columns as they
    (drafts.py).

    before: the end of the chain. recorded_time: when all of them are.
    """

    __slots__ = ("before", "dates", "drafts", "hashes", "recorded_time")

    def __init__(self, before: Head, recorded_time: datetime) -> None:
        self.before = before
        self.recorded_time = recorded_time
        self.drafts = Drafts()
        self.dates: list[Dates] = []
        self.hashes: list[bytes] = []

    @property
    def head(self) -> Head:
        """The end of the chain behind them."""
        if not self.hashes:
            return self.before
        return Head(self.before.sequence + len(self.hashes), self.hashes[-1], self.recorded_time)

    @property
    def sequences(self) -> range:
        """Of each."""
        first = self.before.sequence + 1
        return range(first, first + len(self.hashes))

    @property
    def previous_hashes(self) -> Sequence[bytes]:
        """Of each."""
        return [self.before.hash, *self.hashes][:-1]

    @classmethod
    def of(
        cls, before: Head, recorded_time: datetime, drafts: Drafts, dates: Sequence[Dates]
    ) -> "Entries":
        """All of these drafts, which stay as they are. None may be appended."""
        entries = cls(before, recorded_time)
        entries.drafts = drafts
        entries.dates = list(dates)
        entries.hashes = seal.chained(
            before.hash, before.sequence + 1, recorded_time, dates, drafts.contents
        )
        return entries

    def append(self, prepared: Prepared, dates: Dates) -> None:
        """Seals one more draft."""
        sequence, previous_hash, _ = self.head
        text = seal.text_of(sequence + 1, self.recorded_time, dates, prepared.content)
        self.hashes.append(seal.entry_hash(previous_hash, text))
        self.dates.append(dates)
        self.drafts.append(prepared)

    def __len__(self) -> int:
        return len(self.hashes)

    def _made(self, place: int) -> Entry:
        hash_ = self.hashes[place]
        draft, _, content_hash, _, _ = self.drafts[place]
        return Entry(
            self.before.sequence + 1 + place,
            self.recorded_time,
            draft,
            content_hash,
            self.hashes[place - 1] if place else self.before.hash,
            hash_,
            seal.VERSION,
            self.dates[place],
        )
