"""The feed: every entry, or what entries change in the totals, in order, from any sequence on, to
as many readers as ask.

Each reader takes its own pages, so a slow one holds up nobody and holds one page at most. Between
pages it sleeps until the writer of this process commits, or until it is time to look for what
another process has written. Changes that this process has just written come from memory, everything
else from the store.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from services.ledger.domain import Changes, Entry, TotalsChange, Transfer
from services.ledger.journal.rules import watermarks_of
from services.ledger.journal.totals import changes_of, moved
from services.ledger.reading.recent import Recent
from services.ledger.store.reading import ReadingStore
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason
from services.runtime.waiting import wait_at_most

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Posted:
    """An entry, and what to add to the totals for it."""

    entry: Entry
    changes: Changes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All entries up to sequence, which has this hash, have been sent: all that had been written at
    time.
    """

    sequence: int
    time: datetime
    hash: bytes


@dataclass(frozen=True)
class FeedPace:
    """page_entries: read at once. poll_s: how soon entries of other writers are seen.
    checkpoint_s: the longest time between two checkpoints. gather_s: a reader of totals is told no
    more often than this, so that many small groups come together.
    """

    page_entries: int = 500
    poll_s: float = 0.5
    checkpoint_s: float = 2.0
    gather_s: float = 0.02


class _Page(NamedTuple, Generic[_Item]):
    """What comes next, where that ends, and whether there is, or may be, more behind it.

    end: None if there are no items.
    """

    items: Sequence[_Item]
    end: Checkpoint | None
    more: bool


class Feed:
    """Streams entries and changes. Tell it of commits through `committed`."""

    def __init__(self, store: ReadingStore, clock: Clock, pace: FeedPace | None = None) -> None:
        self._store = store
        self._clock = clock
        self._pace = pace or FeedPace()
        self._recent = Recent()
        self._committed = asyncio.Event()

    def committed(self, change: TotalsChange | None) -> None:
        """The writer of this process has committed entries: wakes all readers.

        change: what they change, as far as it is known which they are.
        """
        if change is not None:
            self._recent.add(change)
        self._committed.set()
        self._committed = asyncio.Event()

    async def entries(self, after: int) -> AsyncGenerator[Posted | Checkpoint, None]:
        """Every entry with a greater sequence than after, in order, for ever.

        A checkpoint comes as soon as the reader has all there is, and then at least every
        checkpoint_s. Raises Fault(SEQUENCE_AHEAD), and the store's errors.
        """
        async with aclosing(self._follow(after, self._entries)) as pages:
            async for page in pages:
                if isinstance(page, Checkpoint):
                    yield page
                    continue
                for entry in page:
                    yield Posted(entry, changes_to_totals(entry.draft.transfers))

    async def totals(self, after: int) -> AsyncGenerator[Sequence[TotalsChange] | Checkpoint, None]:
        """What entries with a greater sequence change in the totals, in order, for ever.

        Changes come as they were committed, many entries in each, or as they were read; never
        none. Checkpoints and errors as of `entries`.
        """
        gather_s = self._pace.gather_s
        async with aclosing(self._follow(after, self._changes, gather_s)) as pages:
            async for page in pages:
                yield page

    async def _follow(
        self, after: int, read: Callable[[int], Awaitable[_Page[_Item]]], gather_s: float = 0.0
    ) -> AsyncGenerator[Sequence[_Item] | Checkpoint, None]:
        """gather_s: how long one who has all there is waits at least for more."""
        head = await self._store.head()
        if after > head.sequence:
            raise Fault(
                Reason.SEQUENCE_AHEAD,
                f"the last entry is {head.sequence}; begin there or before",
                sequence=str(head.sequence),
            )
        # Or there are entries before the first checkpoint.
        sent = Checkpoint(after, self._clock(), head.hash)
        has_caught_up = False
        checkpoint_due = monotonic() + self._pace.checkpoint_s
        while True:
            committed = self._committed  # before the page is read, so that no commit is missed
            now = self._clock()
            page = await read(sent.sequence)
            if page.end is not None:
                yield page.items
                sent = page.end
            if not page.more:
                sent = replace(sent, time=now)
            catches_up = not has_caught_up and sent.sequence >= head.sequence
            if catches_up or monotonic() >= checkpoint_due:
                yield sent
                has_caught_up = has_caught_up or catches_up
                checkpoint_due = monotonic() + self._pace.checkpoint_s
            if not page.more:
                if page.end is not None:
                    await asyncio.sleep(gather_s)
                await wait_at_most(committed, self._pace.poll_s)

    async def _entries(self, sent: int, limit: int | None = None) -> _Page[Entry]:
        page = await self._store.entries_after(sent, limit or self._pace.page_entries)
        for expected, entry in enumerate(page.entries, start=sent + 1):
            assert entry.sequence == expected, "entries are numbered without gaps"
        last = page.entries[-1] if page.entries else None
        end = Checkpoint(last.sequence, last.recorded_time, last.hash) if last else None
        return _Page(page.entries, end, page.more)

    async def _changes(self, sent: int) -> _Page[TotalsChange]:
        if recent := self._recent.after(sent):
            last = recent[-1]
            return _Page(recent, Checkpoint(last.sequence, last.time, last.hash), more=False)
        # Up to where memory goes on, if it does: the next page comes from there.
        begins = self._recent.begins_behind(sent)
        limit = self._pace.page_entries if begins is None else begins - sent
        page = await self._entries(sent, min(limit, self._pace.page_entries))
        return _Page([_change(page.items)] if page.items else [], page.end, page.more)


def changes_to_totals(transfers: Iterable[Transfer]) -> Changes:
    """What to add to the totals for an entry's transfers; cells that stay as they are left out."""
    return moved(changes_of(transfers))


def _change(entries: Sequence[Entry]) -> TotalsChange:
    """What entries that follow one another change together."""
    watermarks: dict[str, datetime] = {}
    for entry in entries:
        for partner, time in watermarks_of(entry.draft.metadata).items():
            watermarks[partner] = max(time, watermarks.get(partner, time))
    return TotalsChange(
        entries[0].sequence - 1,
        entries[-1].sequence,
        entries[0].previous_hash,
        entries[-1].hash,
        entries[-1].recorded_time,
        changes_to_totals(transfer for entry in entries for transfer in entry.draft.transfers),
        watermarks,
    )
