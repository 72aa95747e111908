"""The writer on a real database: many callers, repetitions, a second writer, lost connections."""

import asyncio
from datetime import timedelta
from random import Random

import pytest

from services.ledger.domain import INT64_MAX, AccountName, Posting
from services.ledger.journal.plan import Plan
from services.ledger.posting.writer import WriterLimits
from services.ledger.store.posting import PostingTransaction
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Parts, open_parts
from tests.integration.ledger.stand_ins import Breaker, kill_connections
from tests.support.clock import FixedClock
from tests.support.emptying import Emptier
from tests.unit.ledger.books import assert_chain
from tests.unit.ledger.drafts import draft, gift, id_of, new_id, suspended

CLAIMED = AccountName("partner/alipay/claimed", "CNY")


async def claimed(parts: Parts) -> int:
    balance, _ = await parts.reader.balance(CLAIMED)
    return balance.micros


async def assert_in_order(parts: Parts) -> None:
    assert_chain(await parts.entries())
    report = await parts.audit()
    assert report.ok, report.checks


async def test_fifty_concurrent_posters(parts: Parts) -> None:
    async def poster(number: int) -> list[Posting]:
        posted = []
        for step in range(8):
            project = f"p{(number + step) % 5}"
            posted += await parts.post_all(draft(gift(1, project=project)), draft(gift(2)))
        return posted

    postings = [
        posting for posted in await asyncio.gather(*map(poster, range(50))) for posting in posted
    ]
    assert sorted(posting.sequence for posting in postings) == list(range(1, 801))
    assert not any(posting.replayed for posting in postings)
    assert await claimed(parts) == 50 * 8 * 3
    await assert_in_order(parts)


async def test_a_repeated_call_is_answered_with_the_first_posting(parts: Parts) -> None:
    drafts = [draft(gift(1)), draft(suspended(2)), draft(gift(3, project="road"))]
    first = await parts.post_all(*drafts)
    second = await parts.post_all(*drafts)
    assert second == [posting._replace(replayed=True) for posting in first]
    assert len(await parts.entries()) == 3


async def test_the_same_draft_from_many_callers_at_once_is_posted_once(parts: Parts) -> None:
    one = draft()
    answers = await asyncio.gather(*(parts.post_all(one, one) for _ in range(20)))
    postings = [posting for answer in answers for posting in answer]
    assert {posting.sequence for posting in postings} == {1}
    assert sum(not posting.replayed for posting in postings) == 1
    assert await claimed(parts) == 1_000_000


async def test_other_content_under_a_posted_id_conflicts_and_changes_nothing(
    parts: Parts,
) -> None:
    stands = draft(gift(1), metadata={"gifts": "1"})
    await parts.post_all(stands)
    others = [
        draft(gift(2), entry_id=stands.entry_id, metadata={"gifts": "1"}),
        draft(gift(1), entry_id=stands.entry_id),
        draft(gift(1), gift(1), entry_id=stands.entry_id, metadata={"gifts": "1"}),
    ]
    outcomes = await parts.post(*others, draft(gift(5)))
    for outcome in outcomes[:3]:
        assert isinstance(outcome, Fault)
        assert outcome.reason is Reason.ENTRY_CONFLICT
    assert isinstance(outcomes[3], Posting)
    assert await claimed(parts) == 6


async def test_problems_stay_with_their_entry(parts: Parts) -> None:
    outcomes = await parts.post(
        draft(gift(0)),
        draft(gift(1)),
        draft(gift()._replace(credit="bank")),
        draft(gift(INT64_MAX)),
        draft(gift(1)),
    )
    reasons = [getattr(outcome, "reason", None) for outcome in outcomes]
    assert reasons == [
        Reason.AMOUNT_NOT_POSITIVE,
        None,
        Reason.ACCOUNT_NOT_IN_CHART,
        Reason.BALANCE_OVERFLOW,
        None,
    ]
    assert [entry.sequence for entry in await parts.entries()] == [1, 2]
    await assert_in_order(parts)


async def test_a_refused_entry_opens_no_account(parts: Parts) -> None:
    await parts.post_all(draft(gift(INT64_MAX)))
    await parts.post(draft(gift(1, project="road")))
    accounts = await parts.reader.accounts(prefix="", after=None, limit=10)
    assert [account.name.code for account in accounts] == [
        "partner/alipay/claimed",
        "project/well/fund",
    ]


async def test_a_balance_holds_all_of_64_bits_and_no_more(parts: Parts) -> None:
    await parts.post_all(draft(gift(INT64_MAX - 1)), draft(gift(1)))
    (outcome,) = await parts.post(draft(gift(1)))
    assert isinstance(outcome, Fault)
    assert outcome.reason is Reason.BALANCE_OVERFLOW
    assert await claimed(parts) == INT64_MAX
    await assert_in_order(parts)


async def test_awkward_text_is_stored_as_it_is(parts: Parts) -> None:
    metadata = {"a": '\\N "quoted" 融汇 \\t \u2028 {"b": [1]}', "b": "\\", "c": ""}
    one = draft(metadata=metadata)
    await parts.post_all(one)
    (entry,) = await parts.entries()
    assert entry.draft == one
    await assert_in_order(parts)


async def test_an_entry_of_twenty_thousand_transfers(parts: Parts) -> None:
    await parts.post_all(
        draft(),
        draft(*(gift(n, project=f"p{n % 300}") for n in range(1, 20_001))),
        draft(),
    )
    page = await parts.reading.entries_after(0, 100)
    assert [entry.sequence for entry in page.entries] == [1]
    assert page.more
    assert [len(entry.draft.transfers) for entry in await parts.entries()] == [1, 20_000, 1]
    await assert_in_order(parts)


async def test_two_writers_on_one_database(urls: DatabaseUrls, clock: FixedClock) -> None:
    random = Random(4)
    common = [draft(gift(1, project=f"p{n % 7}")) for n in range(150)]

    async def poster(parts: Parts) -> None:
        mine = random.sample(common, len(common))
        for start in range(0, len(mine), 3):
            await parts.post_all(*mine[start : start + 3], draft(gift(1, partner="tencent")))

    async with (
        open_parts(urls.service, clock, name="one") as one,
        open_parts(urls.service, clock, name="two") as two,
    ):
        await asyncio.gather(*(poster(parts) for parts in (one, one, two, two)))
        entries = await one.entries()
        assert len(entries) == 150 + 4 * 50
        assert await claimed(one) == await claimed(two) == 150
        await assert_in_order(two)


@pytest.mark.parametrize("step", ["before", "after"])
async def test_a_connection_that_is_lost_before_the_commit(
    urls: DatabaseUrls, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    append = PostingTransaction.append
    killed: list[int] = []

    async def interrupted(self: PostingTransaction, plan: Plan) -> None:
        if step == "after":
            await append(self, plan)
        if not killed:
            killed.append(await asyncio.to_thread(kill_connections, urls.service, "test-writer"))
        if step == "before":
            await append(self, plan)

    monkeypatch.setattr(PostingTransaction, "append", interrupted)
    async with open_parts(urls.service, clock) as parts:
        postings = await parts.post_all(draft(gift(1)), draft(gift(2)))
        assert killed == [2]
        assert [(p.sequence, p.replayed) for p in postings] == [(1, False), (2, False)]
        assert await claimed(parts) == 3
        await assert_in_order(parts)


async def test_a_database_that_lost_its_last_accounts_gives_their_ids_to_others(
    urls: DatabaseUrls, clock: FixedClock, emptier: Emptier
) -> None:
    async with open_parts(urls.service, clock, name="failover") as parts:
        await parts.post_all(draft(gift(1)))
        emptier.truncate()  # a standby that was behind takes over
        assert await asyncio.to_thread(kill_connections, urls.service, "failover-writer") == 2
        await parts.post_all(draft(gift(20, partner="tencent", project="road")))
        await parts.post_all(draft(gift(300)))
        trial = await parts.reader.trial_balance("CNY")
        assert {balance.name.code: balance.micros for balance in trial.balances} == {
            "partner/alipay/claimed": 300,
            "partner/tencent/claimed": 20,
            "project/road/fund": 20,
            "project/well/fund": 300,
        }
        await assert_in_order(parts)


async def test_a_commit_whose_answer_is_lost_is_posted_once(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    async with (
        Breaker(urls.service).listening() as breaker,
        open_parts(breaker.url, clock) as parts,
    ):
        one, two = draft(gift(1)), draft(gift(2))
        await parts.post_all(one)
        breaker.cuts = 1
        repeated, posted, again = await parts.post_all(one, two, two)
        assert breaker.lost == 1
        assert repeated == (1, repeated.hash, True)
        assert posted == (2, posted.hash, False)
        assert again == (2, posted.hash, True)
        assert await claimed(parts) == 3
        await assert_in_order(parts)


async def test_an_outcome_that_stays_unknown_is_said_to_be_and_resolved_by_repeating(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    limits = WriterLimits(retry_s=0.2)
    async with (
        Breaker(urls.service).listening() as breaker,
        open_parts(breaker.url, clock, limits=limits) as parts,
    ):
        breaker.cuts = 1_000
        one = draft(gift(1))
        with pytest.raises(Fault) as caught:
            await parts.post(one)
        assert caught.value.reason is Reason.OUTCOME_UNKNOWN
        assert breaker.lost >= 1
        breaker.cuts = 0
        (posting,) = await parts.post_all(one)
        assert posting.replayed
        assert await claimed(parts) == 1


async def test_a_database_that_is_away(urls: DatabaseUrls, clock: FixedClock) -> None:
    nowhere = "postgresql://nobody:nothing@127.0.0.1:1/nowhere"
    async with open_parts(nowhere, clock, limits=WriterLimits(retry_s=0.2)) as parts:
        with pytest.raises(Fault) as caught:
            await parts.post(draft())
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_a_cancelled_caller_loses_the_answer_and_not_the_posting(parts: Parts) -> None:
    one = draft(gift(1))
    call = asyncio.create_task(parts.post(one))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    (posting,) = await parts.post_all(one)
    assert posting.sequence == 1
    assert posting.replayed


async def test_a_full_queue_says_when_to_come_back(urls: DatabaseUrls, clock: FixedClock) -> None:
    limits = WriterLimits(queue_transfers=10, group_transfers=4)
    async with open_parts(urls.service, clock, limits=limits) as parts:
        calls = [parts.post(draft(gift(1), gift(2))) for _ in range(40)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Fault)]
        assert refused
        for fault in refused:
            assert fault.reason is Reason.QUEUE_FULL
            assert fault.retry_after
        assert len(await parts.entries()) == 40 - len(refused)
        # One call that is larger than the queue has its turn when the queue is empty.
        await parts.post_all(*(draft(gift(1)) for _ in range(30)))
        await assert_in_order(parts)


async def test_a_writer_that_stops_finishes_its_group_and_refuses_the_rest(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    limits = WriterLimits(group_transfers=1)
    async with open_parts(urls.service, clock, limits=limits) as parts:
        calls = [asyncio.create_task(parts.post(draft(gift(1)))) for _ in range(20)]
        await calls[0]
        parts.writing.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Fault)]
        assert refused
        assert {fault.reason for fault in refused} == {Reason.SHUTTING_DOWN}
        assert len(await parts.entries()) == 20 - len(refused)
        with pytest.raises(Fault) as caught:
            await parts.post(draft())
        assert caught.value.reason is Reason.SHUTTING_DOWN


async def test_a_defect_fails_its_group_and_not_the_next(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: PostingTransaction, plan: Plan) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(PostingTransaction, "append", broken)
        with pytest.raises(ZeroDivisionError):
            await parts.post(draft())
    (posting,) = await parts.post_all(draft())
    assert posting.sequence == 1


async def test_recording_times_follow_the_chain_through_two_writers(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    behind = FixedClock(clock() - timedelta(hours=1))
    async with (
        open_parts(urls.service, clock, name="one") as one,
        open_parts(urls.service, behind, name="two") as two,
    ):
        await one.post_all(draft())
        await two.post_all(draft())
        assert [entry.recorded_time for entry in await one.entries()] == [clock(), clock()]


async def test_accounts_may_be_opened_beside_the_writer(parts: Parts) -> None:
    names = [AccountName(f"project/p{n}/fund", "CNY") for n in range(20)]
    await asyncio.gather(
        *(
            parts.writer.open_account(name, new_id(), "finance/a")
            for name in names
            for _ in range(2)
        ),
        *(parts.post_all(draft(gift(1, project=f"p{n}"))) for n in range(20)),
    )
    for name in names:
        assert (await parts.reader.balance(name))[0].micros == 1
    await assert_in_order(parts)


async def test_an_opened_account_holds_nothing(parts: Parts) -> None:
    name = AccountName("charity/amity/bank", "USD")
    await parts.writer.open_account(name, id_of(7), "finance/a")
    balance, sequence = await parts.reader.balance(name)
    assert (balance.debits, balance.credits, sequence) == (0, 0, 1)
    (entry,) = await parts.entries()
    assert entry.draft.metadata == {"account/opened": "yes", "by": "finance/a"}
    await parts.writer.open_account(name, id_of(8), "finance/b")
    assert len(await parts.entries()) == 1
    await assert_in_order(parts)


async def test_the_same_opening_from_many_callers_is_one(parts: Parts) -> None:
    name = AccountName("charity/amity/bank", "USD")
    await asyncio.gather(*(parts.writer.open_account(name, id_of(7), "a/b") for _ in range(9)))
    assert len(await parts.entries()) == 1
    await assert_in_order(parts)
