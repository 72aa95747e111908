"""Watching: a reader who keeps a copy has what the totals are, wherever it went on from."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import watching
from services.gateway.domain import Amount, Posting, Snapshot
from services.gateway.live import FRESH_FOR, LiveTotals
from services.gateway.query import Dimension, Query
from services.gateway.watching import Cursor, Update, cursor_of, watch
from services.runtime.errors import Fault, Reason
from tests.support.clock import FixedClock
from tests.unit.gateway.strategies import NEVER, START, Sums, feeds, naive, queries, snapshot_of
from tests.unit.gateway.test_totals import cell, posting, sums


def live_at(snapshot: Snapshot) -> LiveTotals:
    live = LiveTotals(FixedClock(START), gather_s=0.01)
    live.load(snapshot)
    return live


async def first(updates: AsyncGenerator[Update, None]) -> Update:
    async with aclosing(updates):
        return await anext(updates)


def follow(copy: Sums, update: Update) -> Sums:
    """What a reader does with an update."""
    if update.since is None:
        copy = {}
    copy.update(sums(update.rows))
    return {key: sum_ for key, sum_ in copy.items() if any(sum_)}


@given(feeds(), queries, st.data())
async def test_resuming_at_any_point_leads_to_the_full_state(
    feed: list[Posting], query: Query, data: st.DataObject
) -> None:
    begin = data.draw(st.integers(0, len(feed)))
    live = live_at(snapshot_of(feed[:begin]))
    copy: Sums = {}
    cursor: Cursor | None = None
    for entry in [None, *feed[begin:]]:
        if entry is not None:
            live.apply(entry)
        if data.draw(st.booleans()):  # connected for a moment
            update = await first(watch(live, query, cursor))
            assert (update.since is None) == (cursor is None)
            copy, cursor = follow(copy, update), cursor_of(update.cursor)
    copy = follow(copy, await first(watch(live, query, cursor)))
    assert copy == naive(feed, query)


async def test_after_loading_anew_everything_is_sent_again() -> None:
    live = live_at(Snapshot(NEVER, [Amount(cell(), 5, 1)]))
    before = cursor_of((await first(watch(live, Query(), None))).cursor)
    live.load(Snapshot(NEVER, [Amount(cell(), 7, 1)]))
    update = await first(watch(live, Query(), before))
    assert update.since is None
    assert [row.micros for row in update.rows] == [7]


async def test_a_running_watch_sees_changes_gathered_and_a_loading_anew() -> None:
    live = live_at(Snapshot(NEVER, ()))
    pulse = asyncio.create_task(live.pulse())
    async with aclosing(watch(live, Query(group_by=(Dimension.PROJECT,)), None)) as updates:
        assert (await anext(updates)).rows == ()
        for sequence in range(1, 6):
            live.apply(posting(sequence, Amount(cell("a" if sequence < 5 else "b"), 1, 1)))
        update = await anext(updates)
        assert update.since == 0
        assert sums(update.rows) == {(1, "CNY", 1, "a"): (4, 4), (1, "CNY", 1, "b"): (1, 1)}
        live.load(Snapshot(NEVER, ()))
        update = await anext(updates)
        assert (update.since, update.rows) == (None, ())
    pulse.cancel()


async def test_a_slow_reader_gets_the_latest_and_not_every_state() -> None:
    live = live_at(Snapshot(NEVER, ()))
    pulse = asyncio.create_task(live.pulse())
    async with aclosing(watch(live, Query(), None)) as updates:
        await anext(updates)
        for sequence in range(1, 8):  # while nobody reads
            live.apply(posting(sequence, Amount(cell(), 1, 1)))
            await asyncio.sleep(0.015)
        update = await anext(updates)
        assert [row.micros for row in update.rows] == [7]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(updates), 0.05)
    pulse.cancel()


async def test_watchers_are_woken_no_more_often_than_gathered() -> None:
    live = LiveTotals(FixedClock(START), gather_s=0.1)
    live.load(Snapshot(NEVER, ()))
    pulse = asyncio.create_task(live.pulse())
    seen = 0
    async with aclosing(watch(live, Query(), None)) as updates:

        async def read() -> None:
            nonlocal seen
            async for _ in updates:
                seen += 1

        reader = asyncio.create_task(read())
        for sequence in range(1, 101):
            live.apply(posting(sequence, Amount(cell(), 1, 1)))
            await asyncio.sleep(0.005)  # half a second in all
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    pulse.cancel()
    assert 3 <= seen <= 12


async def test_silence_is_broken_by_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "QUIET_S_MAX", 0.05)
    live = live_at(Snapshot(NEVER, [Amount(cell(), 5, 1)]))
    async with aclosing(watch(live, Query(), None)) as updates:
        assert len((await anext(updates)).rows) == 1
        update = await asyncio.wait_for(anext(updates), 2)
        assert (update.rows, update.since) == ((), 0)


@pytest.mark.parametrize("text", ["x", "é", "AAAA", "=" * 40, "A" * 33, "A" * 400])
def test_a_cursor_of_no_one_is_refused(text: str) -> None:
    with pytest.raises(Fault) as caught:
        cursor_of(text)
    assert (caught.value.reason, caught.value.metadata["field"]) == (
        Reason.FIELD_INVALID,
        "resume_cursor",
    )


async def test_a_cursor_of_another_question_is_refused() -> None:
    live = live_at(Snapshot(NEVER, ()))
    cursor = cursor_of((await first(watch(live, Query(), None))).cursor)
    with pytest.raises(Fault) as caught:
        await first(watch(live, Query(group_by=(Dimension.HOUR,)), cursor))
    assert caught.value.reason is Reason.FIELD_INVALID


async def test_without_totals_there_is_nothing_to_watch() -> None:
    live = LiveTotals(FixedClock(START))
    with pytest.raises(Fault) as caught:
        await first(watch(live, Query(), None))
    assert caught.value.reason is Reason.TOTALS_NOT_READY


def test_totals_are_fresh_while_the_ledger_is_heard_of() -> None:
    clock = FixedClock(START)
    live = LiveTotals(clock)

    def heard() -> tuple[timedelta, bool]:
        return live.lag, live.is_fresh

    clock.advance(3)
    assert heard() == (timedelta(seconds=3), False)  # nothing is loaded
    live.load(Snapshot(NEVER, ()))
    assert heard() == (timedelta(seconds=3), True)
    clock.advance(FRESH_FOR)
    assert heard() == (FRESH_FOR + timedelta(seconds=3), False)
    live.confirm(clock())
    assert heard() == (timedelta(), True)
    live.confirm(START)  # what is said late takes nothing back
    assert heard() == (timedelta(), True)
    clock.set(START)  # the ledger's clock is ahead of ours
    assert heard() == (timedelta(), True)


def test_a_ledger_whose_clock_is_ahead_is_not_taken_for_live_when_it_is_gone() -> None:
    clock = FixedClock(START)
    live = LiveTotals(clock)
    live.load(Snapshot(NEVER, ()))
    live.confirm(START + timedelta(hours=1))
    clock.advance(FRESH_FOR + timedelta(seconds=1))
    assert not live.is_fresh
