"""The chain check: every entry is sealed, and linked to the one before, from the first to the head.

On its way through all entries it gathers what they say of watermarks.
"""

from datetime import datetime

from services.ledger.audit.check import Check, Findings
from services.ledger.audit.periods import PeriodWalk
from services.ledger.domain import NO_HASH, Entry, Head
from services.ledger.journal import seal
from services.ledger.journal.rules import watermarks_of
from services.ledger.store.entries import PAGE_ENTRIES_MAX, EntryRow, Page, Unreadable
from services.ledger.store.snapshot import Snapshot

NAME = "chain"


class Chain:
    """Walks the chain. After `check`, watermarks holds what the entries state, and periods has seen
    all of them.
    """

    def __init__(self) -> None:
        self.watermarks: dict[str, datetime] = {}
        self._findings = Findings()
        self._covered = 0
        self._last = Head(0, NO_HASH, None)
        self.periods = PeriodWalk()

    async def check(self, books: Snapshot) -> Check:
        """Recomputes every hash of the snapshot."""
        limit = PAGE_ENTRIES_MAX
        while True:
            try:
                page = await books.entries_after(self._last.sequence, limit)
            except Unreadable as error:
                if limit > 1:  # then one by one, to name the entry
                    limit = 1
                    continue
                self._findings.add(f"behind entry {self._last.sequence} {error}")
                break
            if not page.rows:
                break
            self._walk(page)
            await self.periods.compare(books, page.rows[0].sequence, page.rows[-1].sequence)
        if self._last != books.head:
            self._findings.add(
                f"the head names {_told(books.head)}, and the last entry is {_told(self._last)}"
            )
        if (stray := await books.stray_transfer()) is not None:
            self._findings.add(f"transfers of an entry {stray} stand there without the entry")
        return self._findings.check(
            NAME,
            self._covered,
            f"all {self._covered:,} entries are numbered without gaps, sealed, and linked from the "
            "first to the head",
        )

    def _walk(self, page: Page) -> None:
        for row in page.rows:
            self._covered += 1
            if row.sequence != self._last.sequence + 1:
                self._findings.add(
                    f"entry {row.sequence} follows entry {self._last.sequence}: some are missing"
                )
            if row.previous_hash != self._last.hash:
                self._findings.add(f"entry {row.sequence} does not link to the one before it")
            if self._last.recorded_time and row.recorded_time < self._last.recorded_time:
                self._findings.add(f"entry {row.sequence} was recorded before the one before it")
            self._last = Head(row.sequence, row.hash, row.recorded_time)
            self._gather_watermarks(row)
            try:
                entry = page.entry(row)
            except Unreadable as error:
                self._findings.add(str(error))
                continue
            self._recompute(entry)
            self.periods.see(entry)

    def _recompute(self, entry: Entry) -> None:
        content = seal.content_of(entry.draft)
        if seal.content_hash(content) != entry.content_hash:
            self._findings.add(
                f"entry {entry.sequence} is not what its content hash was made of: "
                "it, a transfer of it, or an account of theirs was changed"
            )
        text = seal.text_of(entry.sequence, entry.recorded_time, entry.dates, content)
        if seal.entry_hash(entry.previous_hash, text) != entry.hash:
            self._findings.add(f"entry {entry.sequence} is not what its hash was made of")

    def _gather_watermarks(self, row: EntryRow) -> None:
        try:
            stated = watermarks_of(row.metadata)
        except (AttributeError, TypeError, ValueError):
            return  # not what was sealed, which is told elsewhere
        for partner, time in stated.items():
            self.watermarks[partner] = max(time, self.watermarks.get(partner, time))


def _told(head: Head) -> str:
    return f"entry {head.sequence} of {head.recorded_time} with hash {head.hash.hex()}"
