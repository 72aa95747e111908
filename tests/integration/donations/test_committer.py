"""The queue before the database: groups, bounds, lanes and streams."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
import pytest

from services.donations.commit.committer import Committer, Limits
from services.donations.commit.submission import Committed, StreamPosition, Submission
from services.donations.domain import Outcome
from services.donations.gifts.columns import columns_of
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.parts import Parts, open_parts
from tests.support.clock import FixedClock
from tests.unit.donations.gifts import a_gift, a_refund


@asynccontextmanager
async def table_locked(urls: DatabaseUrls) -> AsyncIterator[None]:
    """Nobody can write a gift within the block."""
    async with await psycopg.AsyncConnection.connect(urls.owner) as owner:
        await owner.execute("LOCK TABLE donations IN SHARE MODE")
        yield
        await owner.rollback()


def gifts(prefix: str, count: int) -> Submission:
    return Submission(columns=columns_of([a_gift(f"{prefix}-{n}") for n in range(count)]))


async def settled() -> None:
    await asyncio.sleep(0.05)


async def test_what_waits_is_committed_together(parts: Parts, urls: DatabaseUrls) -> None:
    async with table_locked(urls):
        first = [asyncio.create_task(parts.committer.commit(gifts(str(n), 1))) for n in range(2)]
        await settled()
        rest = [asyncio.create_task(parts.committer.commit(gifts(f"x{n}", 1))) for n in range(40)]
        await settled()
    results = await asyncio.gather(*first, *rest)
    assert all(result.outcomes.tolist() == [Outcome.ACCEPTED] for result in results)
    assert len({result.batch_id for result in results}) <= 4
    await parts.require_balanced()


async def test_a_lane_waits_as_long_as_company_comes(parts: Parts) -> None:
    """Five waits bring two calls each, the sixth brings none: all eleven share a transaction."""
    calls: list[asyncio.Task[Committed]] = []

    async def pause(_seconds: float) -> None:
        more = [gifts(f"c{len(calls) + n}", 1) for n in range(2 if len(calls) < 11 else 0)]
        calls.extend(asyncio.create_task(committer.commit(submission)) for submission in more)
        await asyncio.sleep(0)  # they are queued

    committer = Committer(parts.lanes, parts.catalog, parts.clock, pause=pause)
    running = asyncio.create_task(committer.run())
    calls.append(asyncio.create_task(committer.commit(gifts("first", 1))))
    async with asyncio.timeout(10):
        first = await calls[0]
        results = await asyncio.gather(*calls)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(calls) == 11
    assert {result.batch_id for result in results} == {first.batch_id}


async def test_a_lane_does_not_wait_for_those_that_have_company(parts: Parts) -> None:
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    committer = Committer(parts.lanes, parts.catalog, parts.clock, pause=pause)
    running = asyncio.create_task(committer.run())
    async with asyncio.timeout(10):
        for number in range(2):
            together = [
                committer.submit(gifts(f"{number}-{n}", 1), has_company=True) for n in range(3)
            ]
            results = await asyncio.gather(*together)
            assert len({result.batch_id for result in results}) == 1
        assert paused == []
        await committer.commit(gifts("alone", 1))
    assert len(paused) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_full_queue_refuses_calls_and_makes_streams_wait(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    limits = Limits(group_rows=10, queue_rows=100, stream_share=0.5)
    async with open_parts(urls.service, clock, limits) as parts:
        with parts.committer.stream() as lane:
            async with table_locked(urls):
                streamed = await lane.submit(gifts("s1", 40))
                waiting = asyncio.create_task(lane.submit(gifts("s2", 40)))
                await settled()
                assert not waiting.done()  # streams leave room for calls
                called = asyncio.create_task(parts.committer.commit(gifts("c1", 60)))
                await settled()
                with pytest.raises(Fault) as raised:
                    await parts.committer.commit(gifts("c2", 1))
                assert raised.value.reason is Reason.QUEUE_FULL
                assert raised.value.retry_after
                assert not waiting.done()
            for answer in (await streamed, await called, await (await waiting)):
                assert set(answer.outcomes.tolist()) == {Outcome.ACCEPTED}
        assert len(await parts.query("SELECT 1 FROM donations")) == 140
        await parts.require_balanced()


async def test_streams_spread_over_the_lanes_and_keep_to_theirs(parts: Parts) -> None:
    committer = parts.committer
    with committer.stream() as one, committer.stream() as two, committer.stream() as three:
        assert one._lane is not two._lane
        assert three._lane in (one._lane, two._lane)
    with committer.stream() as again, committer.stream() as other:
        assert again._lane is not other._lane


async def test_a_stream_is_durable_up_to_its_offset_and_never_goes_back(parts: Parts) -> None:
    def batch(offset: int) -> Submission:
        columns = columns_of([a_gift(f"{offset + n}") for n in range(10)])
        return Submission(columns=columns, position=StreamPosition("weibo", "s", offset + 10))

    with parts.committer.stream() as lane:
        done = [await lane.submit(batch(offset)) for offset in (0, 10, 20, 0)]
        await asyncio.gather(*done)
        await (await lane.submit(batch(0)))  # in a transaction of its own
    partner_id = await parts.catalog.partner_id("weibo")
    assert await parts.reader.next_offset(partner_id, "s") == 30
    assert await parts.reader.next_offset(partner_id, "other") == 0


async def test_nothing_of_a_stream_is_recorded_behind_a_batch_that_was_not(
    parts: Parts, urls: DatabaseUrls
) -> None:
    defect = Submission(refunds=[a_refund("bad\0")], position=StreamPosition("weibo", "broken", 1))
    behind = [
        Submission(gifts=[a_gift(f"{n}")], position=StreamPosition("weibo", "broken", n))
        for n in (2, 3)
    ]
    with parts.committer.stream() as broken, parts.committer.stream():
        with parts.committer.stream() as other:  # on the first one's lane
            assert broken._lane is other._lane
            async with table_locked(urls):
                done = [await broken.submit(defect), await broken.submit(behind[0])]
                mine = await other.submit(
                    Submission(gifts=[a_gift("x")], position=StreamPosition("weibo", "whole", 1))
                )
                await settled()
            answers = await asyncio.gather(*done, return_exceptions=True)
            assert (await mine).outcomes.tolist() == [Outcome.ACCEPTED]
        answers += await asyncio.gather(await broken.submit(behind[1]), return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(answers[0])] * 3
    assert isinstance(answers[0], psycopg.Error)
    partner_id = await parts.catalog.partner_id("weibo")
    assert await parts.reader.next_offset(partner_id, "broken") == 0
    assert await parts.reader.next_offset(partner_id, "whole") == 1
    # Another connection begins where it is durable.
    with parts.committer.stream() as again:
        for submission in behind:
            await (await again.submit(submission))
    assert await parts.reader.next_offset(partner_id, "broken") == 3


async def held_back(
    parts: Parts, urls: DatabaseUrls, submissions: Sequence[Submission]
) -> list[Committed | BaseException]:
    """Commits submissions that all wait for the lanes, so that they would make one group a lane."""
    async with table_locked(urls):
        busy = [asyncio.create_task(parts.committer.commit(gifts(f"busy{n}", 1))) for n in (1, 2)]
        await settled()
        tasks = [asyncio.create_task(parts.committer.commit(one)) for one in submissions]
        await settled()
    await asyncio.gather(*busy)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_batch_has_no_more_lines_than_the_ledger_takes(
    parts: Parts, urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.commit.committer.LINES_MAX", 5)
    now, hour = a_gift().event_time_micros, 3_600_000_000
    spread = [
        Submission(
            gifts=[a_gift(f"{n}", event_time_micros=now - n * hour) for n in range(at, at + 4)]
        )
        for at in range(0, 32, 4)
    ]
    results = await held_back(parts, urls, spread)
    assert not any(isinstance(result, BaseException) for result in results)
    assert max(len(batch) for batch in await parts.pending()) == 4
    await parts.require_balanced()


async def test_what_alone_has_more_lines_than_the_ledger_takes_is_refused(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.commit.recording.LINES_MAX", 5)
    now, hour = a_gift().event_time_micros, 3_600_000_000
    spread = [a_gift(f"{n}", event_time_micros=now - n * hour) for n in range(6)]
    with pytest.raises(Fault) as raised:
        await parts.committer.commit(Submission(gifts=spread))
    assert raised.value.reason is Reason.BATCH_SIZE_INVALID
    assert await parts.query("SELECT FROM donations") == []
    await parts.committer.commit(Submission(gifts=spread[1:]))
    assert [len(batch) for batch in await parts.pending()] == [5]
    await parts.require_balanced()


async def test_a_batch_sums_up_to_no_more_than_an_entry_can_carry(
    parts: Parts, urls: DatabaseUrls
) -> None:
    def large(prefix: str) -> Submission:
        most = [a_gift(f"{prefix}-{n}", amount_micros=10**15) for n in range(3_000)]
        return Submission(columns=columns_of(most))

    results = await held_back(parts, urls, [large(prefix) for prefix in "abcdef"])
    assert not any(isinstance(result, BaseException) for result in results)
    micros = [line.micros for batch in await parts.pending() for line in batch.values()]
    assert max(micros) <= 2**62
    assert sum(micros) == 6 * 3_000 * 10**15 + 2 * 1_230_000
    await parts.require_balanced()


async def test_one_defective_submission_does_not_fail_the_others(
    parts: Parts, urls: DatabaseUrls
) -> None:
    # Nothing that was checked is like this; the database refuses it.
    defects = [Submission(refunds=[a_refund(f"bad{n}\0")]) for n in range(2)]
    good = [Submission(gifts=[a_gift(str(number))]) for number in range(6)]
    *answers, one, other = await held_back(parts, urls, [*good, *defects])
    assert isinstance(one, psycopg.Error)
    assert isinstance(other, psycopg.Error)
    for answer in answers:
        assert isinstance(answer, Committed), answer
        assert answer.outcomes.tolist() == [Outcome.ACCEPTED]
    await parts.require_balanced()
