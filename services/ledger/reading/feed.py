"""The feed: every entry in order, from any sequence on, to as many readers as ask.

Each reader takes its own pages, so a slow one holds up nobody and holds one page at most: from
memory what this process has just written, everything else from the store. Between pages it sleeps
until the writer of this process commits, or until it is time to look for what another process has
written.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from services.ledger.domain import Entry, TotalsRow, Transfer
from services.ledger.journal.totals import changes_of
from services.ledger.reading.recent import Recent
from services.ledger.store.reading import EntryPage, ReadingStore
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason


@dataclass(frozen=True, slots=True)
class Posted:
    """An entry, and what to add to the totals for it."""

    entry: Entry
    changes: list[TotalsRow]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All entries up to sequence, which has this hash, have been sent; that was so at time."""

    sequence: int
    time: datetime
    hash: bytes


@dataclass(frozen=True)
class FeedPace:
    """page_entries: read at once. poll_s: how soon entries of other writers are seen.
    checkpoint_s: the longest time between two checkpoints.
    """

    page_entries: int = 500
    poll_s: float = 0.5
    checkpoint_s: float = 2.0


class Feed:
    """Streams entries. Tell it of commits through `committed`."""

    def __init__(self, store: ReadingStore, clock: Clock, pace: FeedPace | None = None) -> None:
        self._store = store
        self._clock = clock
        self._pace = pace or FeedPace()
        self._recent = Recent()
        self._committed = asyncio.Event()

    def committed(self, entries: Sequence[Entry]) -> None:
        """The writer of this process has committed these, and perhaps more: wakes all readers."""
        self._recent.add(entries)
        self._committed.set()
        self._committed = asyncio.Event()

    async def stream(self, after: int) -> AsyncGenerator[Posted | Checkpoint, None]:
        """Every entry with a greater sequence than after, in order, for ever.

        A checkpoint comes as soon as the reader has all there is, and then at least every
        checkpoint_s. Raises Fault(SEQUENCE_AHEAD), and the store's errors.
        """
        head = await self._store.head()
        if after > head.sequence:
            raise Fault(
                Reason.SEQUENCE_AHEAD,
                f"the last entry is {head.sequence}; begin there or before",
                sequence=str(head.sequence),
            )
        sent, sent_hash = after, head.hash  # or there are entries before the first checkpoint
        has_caught_up = False
        checkpoint_due = monotonic() + self._pace.checkpoint_s
        while True:
            committed = self._committed  # before the page is read, so that no commit is missed
            page = await self._page(sent)
            read_time = self._clock()
            for entry in page.entries:
                assert entry.sequence == sent + 1, "entries are numbered without gaps"
                yield Posted(entry, changes_to_totals(entry.draft.transfers))
                sent, sent_hash = entry.sequence, entry.hash
            catches_up = not has_caught_up and sent >= head.sequence
            if catches_up or monotonic() >= checkpoint_due:
                yield Checkpoint(sent, read_time, sent_hash)
                has_caught_up = has_caught_up or catches_up
                checkpoint_due = monotonic() + self._pace.checkpoint_s
            if not page.more:
                await _wait(committed, self._pace.poll_s)

    async def _page(self, sent: int) -> EntryPage:
        limit = self._pace.page_entries
        if recent := self._recent.after(sent, limit):
            return EntryPage(list(recent), more=len(recent) == limit)
        return await self._store.entries_after(sent, limit)


def changes_to_totals(transfers: Iterable[Transfer]) -> list[TotalsRow]:
    """What to add to the totals for an entry's transfers; cells that stay as they are left out."""
    changes = changes_of(transfers)
    return [TotalsRow(cell, sums) for cell, sums in changes.items() if any(sums)]


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass  # time to look anyway
