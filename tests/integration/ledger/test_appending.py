"""Groups behind what is remembered of the books: as one statement and by COPY, and what ends it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.domain import (
    INT64_MAX,
    AccountLimit,
    AccountName,
    AccountState,
    Cause,
    CauseKind,
    EntryDraft,
    Posting,
)
from services.ledger.journal.periods import PeriodAction
from services.ledger.posting.memory import Memory
from services.ledger.reading.history import AsOf
from services.ledger.store.posting import PostingStore
from services.ledger.store.rendered import Rendered
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Engines, FixedTenure, Parts, open_parts, parts_on
from tests.integration.ledger.stand_ins import Breaker, kill_connections
from tests.support.clock import FixedClock
from tests.support.emptying import Emptier
from tests.support.examples import fewer_every_day
from tests.unit.ledger.books import assert_chain
from tests.unit.ledger.drafts import NOON, appealed, draft, gift, refund, suspended
from tests.unit.ledger.stepped import (
    FUND,
    POOL,
    decision,
    hold,
    match,
    period_decision,
    pledge,
)
from tests.unit.ledger.strategies import drafts

EXAMPLES = fewer_every_day(4)  # each is three ledgers
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CLAIMED = AccountName("partner/alipay/claimed", "CNY")
TABLES = ("accounts", "entries", "transfers", "balances", "totals", "appeal_totals", "watermarks")
WAYS = pytest.mark.parametrize("at_once_max", [100, 0], ids=["one statement", "copy"])


@pytest.fixture
def continued(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each group that was tried so, whether it was written behind what was remembered."""
    tried: list[bool] = []
    go_on = PostingStore.continue_chain

    async def told(self: PostingStore, term: int, rendered: Rendered) -> bool:
        tried.append(False)
        tried[-1] = await go_on(self, term, rendered)
        return tried[-1]

    monkeypatch.setattr(PostingStore, "continue_chain", told)
    return tried


async def held(parts: Parts, name: AccountName, as_of: AsOf) -> tuple[int, int]:
    """The balance, and the last entry that counts."""
    balance, through = await parts.history.balance(name, as_of, await parts.reader.head_sequence())
    return balance.micros, through


def rows_of(urls: DatabaseUrls) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(urls.owner) as connection:
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)
            for table in TABLES
        }


async def assert_in_order(parts: Parts) -> None:
    assert_chain(await parts.entries())
    report = await parts.audit()
    assert report.ok, report.checks


@dataclass
class Empty:
    """Empty books for one ledger after the other, over the same connections."""

    urls: DatabaseUrls
    engines: Engines
    emptier: Emptier

    async def posted(
        self, groups: Sequence[Sequence[EntryDraft]], at_once_max: int
    ) -> tuple[list[object], dict[str, list[tuple[object, ...]]]]:
        """What each draft is answered, and all that stands in the books behind them."""
        self.emptier.delete()
        async with parts_on(self.engines, FixedClock(NOON), at_once_max=at_once_max) as parts:
            outcomes = [
                outcome if isinstance(outcome, Posting) else outcome.reason
                for group in groups
                for outcome in await parts.post(*group)
            ]
            await assert_in_order(parts)
        return list(outcomes), rows_of(self.urls)


@pytest.fixture
def empty(urls: DatabaseUrls, engines: Engines, emptier: Emptier) -> Empty:
    return Empty(urls, engines, emptier)


@pytest.mark.property
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.lists(drafts(), min_size=1, max_size=4), min_size=1, max_size=5))
async def test_what_is_remembered_makes_the_same_books_as_what_is_read(
    empty: Empty, groups: list[list[EntryDraft]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Memory, "books", lambda *_: None)
        expected = await empty.posted(groups, 100)
    for at_once_max in (100, 0):
        assert await empty.posted(groups, at_once_max) == expected


@WAYS
async def test_the_next_group_is_written_without_a_question(
    urls: DatabaseUrls, clock: FixedClock, continued: list[bool], at_once_max: int
) -> None:
    async with open_parts(urls.service, clock, at_once_max=at_once_max) as parts:
        transfers = (gift(1), refund(1), suspended(2), appealed(3))
        await parts.post_all(draft(*transfers))
        assert continued == [], "nothing is known before the first"
        text = '\\N "quoted" 融汇 \\t {"b": [1]}'
        awkward = draft(
            *transfers,
            cause=Cause(CauseKind.MANUAL, '\\"{},NULL'),
            metadata={"a": text, "b": "\\", "c": ""},
        )
        (posting,) = await parts.post_all(awkward)
        assert continued == [True]
        assert (posting.sequence, posting.replayed) == (2, False)
        assert [entry.draft for entry in await parts.entries()][1:] == [awkward]
        await assert_in_order(parts)


@WAYS
async def test_replays_and_conflicts_are_told_as_before(
    urls: DatabaseUrls, clock: FixedClock, continued: list[bool], at_once_max: int
) -> None:
    async with open_parts(urls.service, clock, at_once_max=at_once_max) as parts:
        first = draft(gift(1))
        (posting,) = await parts.post_all(first)
        again, new = await parts.post(first, draft())
        assert again == posting._replace(replayed=True)
        assert isinstance(new, Posting)
        (other,) = await parts.post(first._replace(metadata={"a": "b"}))
        assert isinstance(other, Fault)
        assert other.reason is Reason.ENTRY_CONFLICT
        assert continued == [False, False]
        await parts.post_all(draft(gift(4)))
        assert continued == [False, False, True], "what is remembered is as good as before"
        await assert_in_order(parts)


@WAYS
async def test_an_entry_of_another_process_is_heeded(
    urls: DatabaseUrls, clock: FixedClock, continued: list[bool], at_once_max: int
) -> None:
    async with (
        open_parts(urls.service, clock, name="one", at_once_max=at_once_max) as one,
        open_parts(urls.service, clock, name="two") as two,
    ):
        await one.post_all(draft(gift(1)))
        await two.post_all(draft(gift(INT64_MAX - 2)))
        refused, posted = await one.post(draft(gift(2)), draft(gift(1)))
        assert continued == [False]
        assert isinstance(refused, Fault)
        assert refused.reason is Reason.BALANCE_OVERFLOW
        assert isinstance(posted, Posting)
        assert posted.sequence == 3
        await assert_in_order(one)


@WAYS
async def test_nothing_is_written_in_a_term_that_is_over(
    urls: DatabaseUrls, clock: FixedClock, continued: list[bool], at_once_max: int
) -> None:
    async with open_parts(
        urls.service, clock, tenure=FixedTenure(), at_once_max=at_once_max
    ) as parts:
        await parts.post_all(draft(gift(1)))
        with psycopg.connect(urls.owner) as connection:
            connection.execute("UPDATE head SET term = term + 1")
        with pytest.raises(Fault) as caught:
            await parts.post(draft(gift(2)))
        assert continued == [False]
        assert caught.value.reason is Reason.LEDGER_STANDBY
        assert len(await parts.entries()) == 1


@WAYS
async def test_decisions_and_holds_bind_what_comes_behind_them(
    urls: DatabaseUrls, clock: FixedClock, at_once_max: int
) -> None:
    async with open_parts(urls.service, clock, at_once_max=at_once_max) as parts:
        await parts.post_all(draft(pledge(10), match(1)))
        await parts.post_all(draft(pledge(10), match(1)))
        await parts.writer.decide(decision(POOL, None, AccountLimit.DEBITS_WITHIN_CREDITS))
        await parts.post_all(draft(hold(17)))
        (refused,) = await parts.post(draft(match(2)))
        assert isinstance(refused, Fault)
        assert refused.reason is Reason.LIMIT_EXCEEDED
        await parts.writer.decide(decision(FUND, AccountState.FROZEN))
        (refused,) = await parts.post(draft(gift(1)))
        assert isinstance(refused, Fault)
        assert refused.reason is Reason.ACCOUNT_FROZEN


@WAYS
async def test_a_lost_answer_is_found_out(
    urls: DatabaseUrls, clock: FixedClock, continued: list[bool], at_once_max: int
) -> None:
    async with (
        Breaker(urls.service).listening() as breaker,
        open_parts(breaker.url, clock, at_once_max=at_once_max) as parts,
    ):
        await parts.post_all(draft(gift(1)))
        breaker.cuts = 1
        one = draft(gift(2))
        (posted,) = await parts.post_all(one)
        assert breaker.lost == 1
        assert continued == [False]
        assert posted == (2, posted.hash, False)
        assert await parts.post_all(one) == [posted._replace(replayed=True)]
        assert len(await parts.entries()) == 2
        await assert_in_order(parts)


@WAYS
async def test_books_that_were_put_right_by_hand_stay_right(
    urls: DatabaseUrls, clock: FixedClock, continued: list[bool], at_once_max: int
) -> None:
    async with open_parts(urls.service, clock, at_once_max=at_once_max) as parts:
        await parts.post_all(draft(gift(1)))
        with psycopg.connect(urls.owner) as connection:
            connection.execute("UPDATE balances SET debits = debits + 5, credits = credits + 5")
        await parts.post_all(draft(gift(20)))
        assert continued == [True]
        balance, _ = await parts.reader.balance(CLAIMED)
        assert (balance.debits, balance.credits) == (26, 5), "what stands there is added to"


async def test_the_periods_of_books_that_took_over_are_heeded(
    urls: DatabaseUrls, clock: FixedClock, emptier: Emptier
) -> None:
    async def close(parts: Parts, name: str) -> None:
        for action in (PeriodAction.BEGIN_CLOSING, PeriodAction.CLOSE):
            await parts.writer.decide(period_decision(name, action))

    august = draft(value_time=NOON - timedelta(days=20))
    async with (
        open_parts(urls.service, clock, name="one") as one,
        open_parts(urls.service, clock, name="two") as two,
    ):
        await close(one, "2019-07")
        # A standby takes over that never had these decisions, and then has others as its entries.
        emptier.truncate()
        assert await asyncio.to_thread(kill_connections, urls.service, "one-writer") >= 1
        await close(two, "2019-08")
        (refused,) = await one.post(august)
        assert isinstance(refused, Fault)
        assert refused.reason is Reason.PERIOD_CLOSED
        await assert_in_order(two)


async def test_what_was_answered_for_a_time_is_not_changed_by_what_took_its_time_before(
    parts: Parts, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await parts.post_all(draft(gift(1)))
    go_on = PostingStore.continue_chain
    is_dated, goes_on = asyncio.Event(), asyncio.Event()

    async def held_up(self: PostingStore, term: int, rendered: Rendered) -> bool:
        is_dated.set()  # its time is taken, and the head is not locked
        await goes_on.wait()
        return await go_on(self, term, rendered)

    monkeypatch.setattr(PostingStore, "continue_chain", held_up)
    clock.advance(timedelta(hours=1))
    posting = asyncio.create_task(parts.post_all(draft(gift(20))))
    await is_dated.wait()
    asked = clock()
    assert await held(parts, CLAIMED, AsOf(asked)) == (1, 1)
    goes_on.set()
    await posting
    assert await held(parts, CLAIMED, AsOf(asked)) == (1, 1)
    clock.advance(timedelta(hours=1))
    assert await held(parts, CLAIMED, AsOf(clock())) == (21, 2)


async def test_a_reader_that_freezes_holds_no_writer_up(
    parts: Parts, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await parts.post_all(draft(gift(1)))
    commit = AsyncConnection.commit

    async def freeze(self: AsyncConnection) -> None:
        await (asyncio.Event().wait() if asyncio.current_task() is asking else commit(self))

    monkeypatch.setattr(AsyncConnection, "commit", freeze)
    asking = asyncio.create_task(held(parts, CLAIMED, AsOf(clock())))
    await asyncio.wait({asking}, timeout=1)
    async with asyncio.timeout(10):
        await parts.post_all(draft(gift(1)))
    asking.cancel()
    await asyncio.wait({asking})


async def test_whoever_asks_for_what_is_to_come_does_not_put_the_books_off(
    parts: Parts, clock: FixedClock
) -> None:
    """All later entries would be recorded behind the time that was asked for."""
    await parts.post_all(draft(), draft())
    clock.advance(HOUR)
    assert await parts.history.span(clock() + 365 * DAY, None, 9) == (2, 9)
    assert await parts.history.span(clock() + DAY, None, 2) == (2, 2)
    clock.advance(HOUR)
    await parts.post_all(draft())
    assert [entry.recorded_time for entry in await parts.entries()][2:] == [clock()]


async def test_a_reader_whose_clock_is_far_ahead_does_not_put_the_books_off(
    urls: DatabaseUrls,
) -> None:
    clock, far = FixedClock(datetime.now(UTC)), FixedClock(datetime.now(UTC) + DAY)
    async with (
        open_parts(urls.service, clock, name="one") as one,
        open_parts(urls.service, far, name="two") as two,
    ):
        await one.post_all(draft(value_time=clock()))
        for asked in (AsOf(far()), AsOf(clock() + HOUR)):
            with pytest.raises(Fault) as caught:
                await held(two, CLAIMED, asked)
            assert caught.value.reason is Reason.FIELD_INVALID
        with pytest.raises(Fault) as caught:
            await two.history.span(None, far(), 1)
        assert caught.value.reason is Reason.FIELD_INVALID
        assert await two.history.span(far(), None, 1) == (1, 1)
        assert (await held(two, CLAIMED, AsOf(clock())))[1] == 1
        await one.post_all(draft(value_time=clock()))
        [_, entry] = await one.entries()
        assert entry.recorded_time - clock() < HOUR
