"""The feed: from any sequence on, without a gap, while others post."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TypeVar, cast

import pytest

from services.ledger.domain import NO_HASH, Cell, Change, Entry, Sums, TotalsChange
from services.ledger.reading.feed import Checkpoint, Feed, Posted
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import PACE, Parts, open_parts
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import draft, gift, refund, suspended


async def read(feed: Feed, after: int, count: int) -> list[Posted]:
    """The next entries; checkpoints must fit among them."""
    posted: list[Posted] = []
    async with asyncio.timeout(20), aclosing(feed.entries(after)) as news:
        async for item in news:
            if isinstance(item, Checkpoint):
                assert item.sequence == after + len(posted)
                continue
            posted.append(item)
            if len(posted) == count:
                break
    return posted


async def read_totals(feed: Feed, after: int, until: int) -> list[TotalsChange]:
    """All changes up to an entry; checkpoints must fit among them."""
    changes: list[TotalsChange] = []
    async with asyncio.timeout(20), aclosing(feed.totals(after)) as news:
        async for item in news:
            if isinstance(item, Checkpoint):
                assert item.sequence == (changes[-1].sequence if changes else after)
            else:
                changes += item
            if (changes[-1].sequence if changes else after) >= until:
                break
    return changes


def summed(rows: Iterable[tuple[Cell, Change]]) -> dict[Cell, Sums]:
    """What changes add up to; cells of nothing left out."""
    sums: dict[Cell, Sums] = {}
    for cell, (micros, tally) in rows:
        before = sums.get(cell, Sums(0, 0))
        sums[cell] = Sums(before.micros + micros, before.tally + tally)
    return {cell: sum_ for cell, sum_ in sums.items() if any(sum_)}


async def _first(news: AsyncIterator[object], checkpoints: int) -> AsyncIterator[object]:
    """What comes up to so many checkpoints."""
    async for item in news:
        yield item
        checkpoints -= isinstance(item, Checkpoint)
        if not checkpoints:
            return


async def keep_posting(parts: Parts, count: int) -> None:
    for number in range(count):
        await parts.post_all(
            *(draft(gift(1, project=f"p{number % 3}"), refund(1)) for _ in range(number % 4 + 1))
        )


async def test_every_reader_gets_every_entry_while_others_post(parts: Parts) -> None:
    await keep_posting(parts, 12)  # 30 entries
    starts = (0, 1, 7, 29, 30)
    posters = [asyncio.create_task(keep_posting(parts, 12)) for _ in range(3)]
    posted = await asyncio.gather(*(read(parts.feed, start, 120 - start) for start in starts))
    await asyncio.gather(*posters)
    entries = await parts.entries()
    assert len(entries) == 120
    for start, found in zip(starts, posted, strict=True):
        assert [item.entry for item in found] == entries[start:]


async def test_a_broken_reader_goes_on_where_it_was(parts: Parts) -> None:
    posting = asyncio.create_task(keep_posting(parts, 40))
    seen: list[Entry] = []
    while len(seen) < 100:
        seen += [item.entry for item in await read(parts.feed, len(seen), min(9, 100 - len(seen)))]
    await posting
    assert seen == await parts.entries()


async def test_changes_add_up_to_the_totals_from_any_snapshot(parts: Parts) -> None:
    def add(totals: dict[Cell, Sums], cell: Cell, change: Change) -> None:
        before = totals.get(cell, Sums(0, 0))
        totals[cell] = Sums(before.micros + change[0], before.tally + change[1])

    async def snapshot() -> tuple[int, dict[Cell, Sums]]:
        pages = [page async for page in parts.reader.totals(2)]
        rows = [row for page in pages for row in page.rows]
        assert len({page.head for page in pages}) == 1
        assert len({row.cell for row in rows}) == len(rows)
        return pages[0].head.sequence, {row.cell: row.sums for row in rows}

    async def post() -> None:
        for number in range(20):
            await parts.post_all(
                draft(gift(5, project=f"p{number}"), suspended(3), gift(9, partner="tencent")),
                draft(refund(2, project=f"p{number}"), metadata={"gifts": "0"}),
            )

    posting = asyncio.create_task(post())
    snapshots = []
    while not posting.done():
        snapshots.append(await snapshot())
        await asyncio.sleep(0.005)
    await posting
    sequence, final = await snapshot()
    assert sequence == 40
    assert len({at for at, _ in snapshots}) > 3
    for at, totals in snapshots:
        for item in await read(parts.feed, at, sequence - at) if at < sequence else []:
            for cell, change in item.changes.items():
                add(totals, cell, change)
        assert totals == final


async def test_changes_of_many_entries_add_up_to_those_of_each(parts: Parts) -> None:
    """From any entry on, also in the middle of a group, whether from memory or from the store."""
    await keep_posting(parts, 12)  # 30 entries, in groups of one to four
    fresh = Feed(parts.reading, parts.clock, PACE)  # which has nothing in memory
    posting = asyncio.create_task(keep_posting(parts, 12))
    starts = range(0, 31, 3)
    told = await asyncio.gather(
        *(read_totals(feed, start, 60) for feed in (parts.feed, fresh) for start in starts)
    )
    await posting
    posted = await read(parts.feed, 0, 60)
    for start, changes in zip((*starts, *starts), told, strict=True):
        assert [change.after for change in changes] == [
            start,
            *(change.sequence for change in changes[:-1]),
        ]
        for change in changes:
            first, last = posted[change.after].entry, posted[change.sequence - 1].entry
            assert (change.previous_hash, change.hash) == (first.previous_hash, last.hash)
        expected = [row for item in posted[start:] for row in item.changes.items()]
        assert summed(row for change in changes for row in change.sums.items()) == summed(expected)
        for change in changes:
            assert change.sequence > change.after


async def test_changes_say_what_their_entries_state(parts: Parts) -> None:
    early, late = parts.clock(), parts.clock() + timedelta(hours=1)
    await parts.post_all(
        draft(metadata={"complete_until/alipay": late.isoformat()}),
        draft(metadata={"complete_until/alipay": early.isoformat()}),
    )
    for feed in (parts.feed, Feed(parts.reading, parts.clock, PACE)):
        (change,) = await read_totals(feed, 0, 2)
        assert change.watermarks == {"alipay": late}
        assert change.time == parts.clock()


async def test_many_small_groups_come_together(parts: Parts) -> None:
    feed = Feed(
        parts.reading, parts.clock, replace(PACE, gather_s=1.0, poll_s=60.0, checkpoint_s=60.0)
    )
    parts.writer._committed = lambda plan: feed.committed(plan.change())
    async with asyncio.timeout(20), aclosing(feed.totals(0)) as news:
        assert await anext(news) == Checkpoint(0, parts.clock(), NO_HASH)
        first: asyncio.Task[object] = asyncio.ensure_future(_next(news))
        await parts.post_all(draft())
        assert _spans(await first) == [(0, 1)]
        following: asyncio.Task[object] = asyncio.ensure_future(_next(news))  # and gathers already
        for _ in range(3):
            await parts.post_all(draft())
        assert _spans(await following) == [(1, 2), (2, 3), (3, 4)]


def _spans(news: object) -> list[tuple[int, int]]:
    assert not isinstance(news, Checkpoint)
    return [(change.after, change.sequence) for change in cast("list[TotalsChange]", news)]


async def test_checkpoints_come_at_once_and_then_while_nothing_happens(parts: Parts) -> None:
    _, last = await parts.post_all(draft(), draft())
    loop = asyncio.get_running_loop()
    times = []
    async with aclosing(parts.feed.entries(0)) as news:
        kinds = []
        async for item in news:
            kinds.append(type(item))
            if isinstance(item, Checkpoint):
                assert (item.sequence, item.hash) == (last.sequence, last.hash)
                times.append(loop.time())
            if len(times) == 4:
                break
    assert kinds == [Posted, Posted, *[Checkpoint] * 4]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(PACE.checkpoint_s <= gap < PACE.checkpoint_s + 1 for gap in gaps)


async def test_checkpoints_come_while_entries_keep_coming(parts: Parts) -> None:
    feed = Feed(parts.reading, parts.clock, replace(PACE, checkpoint_s=0.02))
    posting = asyncio.create_task(keep_posting(parts, 200))
    checkpoints: set[int] = set()
    async with aclosing(feed.entries(0)) as news:
        async for item in news:
            if isinstance(item, Checkpoint):
                checkpoints.add(item.sequence)
            if len(checkpoints) >= 5:
                break
    assert not posting.done()
    posting.cancel()
    await asyncio.wait({posting})


async def test_a_reader_that_is_behind_is_not_told_that_it_has_all(
    parts: Parts, clock: FixedClock
) -> None:
    for _ in range(PACE.page_entries + 1):
        await parts.post_all(draft())
        clock.advance(1)
    feed = Feed(parts.reading, clock, replace(PACE, checkpoint_s=0.0))
    for stream in (feed.entries(0), feed.totals(0)):
        async with aclosing(stream) as news:
            found = [one async for one in _first(news, 2) if isinstance(one, Checkpoint)]
        behind, caught_up = found
        (last,) = (await parts.reading.entries_after(PACE.page_entries - 1, 1)).entries
        assert (behind.sequence, behind.time) == (last.sequence, last.recorded_time)
        assert (caught_up.sequence, caught_up.time) == (last.sequence + 1, clock())


async def test_a_reader_at_the_end_is_told_what_stands_there(parts: Parts) -> None:
    (last,) = await parts.post_all(draft())
    async with aclosing(parts.feed.entries(last.sequence)) as news:
        assert await anext(news) == Checkpoint(last.sequence, parts.clock(), last.hash)


async def test_an_empty_ledger_has_a_checkpoint_of_zero(parts: Parts) -> None:
    async with aclosing(parts.feed.entries(0)) as news:
        assert await anext(news) == Checkpoint(0, parts.clock(), NO_HASH)


async def test_a_sequence_ahead_is_refused(parts: Parts) -> None:
    await parts.post_all(draft())
    with pytest.raises(Fault) as caught:
        await anext(parts.feed.entries(2))
    assert caught.value.reason is Reason.SEQUENCE_AHEAD
    assert caught.value.metadata["sequence"] == "1"


async def test_entries_of_another_process_are_seen(urls: DatabaseUrls, clock: FixedClock) -> None:
    async with (
        open_parts(urls.service, clock, name="one") as one,
        open_parts(urls.service, clock, name="two") as two,
    ):
        reading = asyncio.create_task(read(one.feed, 0, 30))
        adding = asyncio.create_task(read_totals(one.feed, 0, 30))
        for _ in range(10):
            await two.post_all(draft(), draft())
            await one.post_all(draft())
        assert [item.entry for item in await reading] == await two.entries()
        assert sum(len(change.sums) for change in await adding) > 0


async def test_an_own_commit_wakes_readers_at_once(parts: Parts) -> None:
    feed = Feed(parts.reading, parts.clock, replace(PACE, poll_s=60.0, checkpoint_s=60.0))
    parts.writer._committed = lambda plan: feed.committed(plan.change())
    async with asyncio.timeout(5), aclosing(feed.entries(0)) as news:
        await anext(news)
        for expected in range(1, 6):
            waiting: asyncio.Task[object] = asyncio.ensure_future(_next(news))
            await asyncio.sleep(0.01)
            await parts.post_all(draft())
            item = await waiting
            assert isinstance(item, Posted)
            assert item.entry.sequence == expected


async def test_a_slow_reader_holds_up_nobody(parts: Parts) -> None:
    await parts.post_all(*(draft() for _ in range(20)))
    slow = [parts.feed.entries(0) for _ in range(30)]  # more than there are connections
    for news in slow:
        await anext(news)
    assert len(await read(parts.feed, 0, 20)) == 20
    await parts.post_all(draft())
    for news in slow:
        item = await anext(news)
        assert isinstance(item, Posted)
        assert item.entry.sequence == 2
        await news.aclose()


_News = TypeVar("_News")


async def _next(news: AsyncIterator[_News]) -> _News:
    return await anext(news)
