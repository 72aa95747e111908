"""Refunds: before their gift and after it, in one lane and in two."""

import asyncio

import psycopg
import pytest

from services.donations import metrics
from services.donations.commit.group import gather
from services.donations.commit.submission import Submission
from services.donations.domain import Key, LineKind, Outcome, Purpose, bucket_of
from services.donations.gifts.validation import AMOUNT_MICROS_MAX
from services.donations.life.position import GIVEN_BACK_MICROS_MAX
from services.runtime.errors import Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.parts import Parts, write
from tests.unit.donations.gifts import a_gift, a_refund


@pytest.mark.parametrize("lane", [0, 1])
async def test_a_refund_before_its_gift_waits_and_is_booked(parts: Parts, lane: int) -> None:
    refund = a_refund(amount_micros=1_000_000)
    [result] = (await write(parts, parts.writers[0], Submission(refunds=[refund]))).results
    assert result.refunds[0].outcome is Outcome.WAITING
    assert await parts.sweeper.sweep() == 0
    assert await parts.summaries() == []

    await write(parts, parts.writers[lane], Submission(gifts=[a_gift()]))
    assert await parts.sweeper.sweep() == 1
    assert await parts.sweeper.sweep() == 0
    books = {line[0]: sums for line, sums in (await parts.books()).items()}
    assert books == {1: (1_230_000, 1), 3: (1_000_000, 1)}

    [again] = (await write(parts, parts.writers[1 - lane], Submission(refunds=[refund]))).results
    assert again.refunds[0].outcome is Outcome.REPLAYED
    assert again.refunds[0].batch_id == (await parts.summaries())[-1].id


async def test_a_refund_that_two_lanes_kept_from_its_gift_is_found(parts: Parts) -> None:
    # Neither transaction sees the other: the gift's is open while the refund's runs.
    group = await gather([Submission(gifts=[a_gift()])], parts.catalog)
    gift_lane, refund_lane = parts.writers
    original = gift_lane._lane.transaction

    async def refund_meanwhile() -> None:
        recorded = await write(parts, refund_lane, Submission(refunds=[a_refund()]))
        assert recorded.results[0].refunds[0].outcome is Outcome.WAITING

    class Held:
        """A transaction during which the refund is recorded."""

        def __init__(self) -> None:
            self.inner = original()

        async def __aenter__(self) -> object:
            return await self.inner.__aenter__()

        async def __aexit__(self, *error: object) -> object:
            await refund_meanwhile()
            return await self.inner.__aexit__(*error)  # type: ignore[arg-type]

    gift_lane._lane.transaction = Held  # type: ignore[assignment,method-assign]
    await gift_lane.write(group)
    key = Key(bucket_of("20190905-0001"), 1, "20190905-0001")
    assert await parts.reader.waiting(None, 10) == ([key], 0, None)
    assert await parts.sweeper.sweep() == 1
    await parts.require_balanced()


async def test_a_gift_and_its_refund_in_one_notice_are_booked_at_once(parts: Parts) -> None:
    both = Submission(gifts=[a_gift()], refunds=[a_refund()])
    [result] = (await write(parts, parts.writers[0], both)).results
    assert result.refunds[0].outcome is Outcome.ACCEPTED
    assert len(await parts.summaries()) == 1
    [again] = (await write(parts, parts.writers[0], both)).results
    assert (again.outcomes.tolist(), again.refunds[0].outcome) == (
        [Outcome.REPLAYED],
        Outcome.REPLAYED,
    )
    await parts.require_balanced()


async def test_a_lower_running_total_makes_no_batch(parts: Parts) -> None:
    high = a_refund("high", amount_micros=300, cumulative=True)
    low = a_refund("low", amount_micros=100, cumulative=True)
    await write(parts, parts.writers[0], Submission(gifts=[a_gift()], refunds=[high]))
    recorded = await write(parts, parts.writers[0], Submission(refunds=[low]))
    [batch] = await parts.summaries()
    assert recorded.batch_id is None
    assert recorded.results[0].refunds[0] == (Outcome.ACCEPTED, batch.id, None)
    await parts.require_balanced()


async def test_a_refund_with_other_content_or_currency_is_a_claim(parts: Parts) -> None:
    writer = parts.writers[0]
    await write(parts, writer, Submission(gifts=[a_gift()], refunds=[a_refund()]))
    other = a_refund(amount_micros=1)
    dollars = a_refund("r2", currency="USD")
    for _ in range(2):
        [result] = (await write(parts, writer, Submission(refunds=[other, dollars]))).results
        assert [fate.reason for fate in result.refunds] == [
            Reason.REFUND_CONFLICT,
            Reason.CURRENCY_MISMATCH,
        ]
    claims = await parts.query("SELECT refund_id, reason FROM conflicts ORDER BY refund_id")
    assert [tuple(claim) for claim in claims] == [
        ("r1", "REFUND_CONFLICT"),
        ("r2", "CURRENCY_MISMATCH"),
    ]
    await parts.require_balanced()


async def test_a_refund_in_another_currency_is_never_booked(parts: Parts) -> None:
    await write(parts, parts.writers[0], Submission(refunds=[a_refund(currency="USD")]))
    await write(parts, parts.writers[0], Submission(gifts=[a_gift()]))
    assert await parts.sweeper.sweep() == 1
    assert await parts.sweeper.sweep() == 0
    await write(parts, parts.writers[0], Submission(refunds=[a_refund("r2")]))
    moves = await parts.query("SELECT kind, amount_micros FROM moves")
    assert [tuple(move) for move in moves] == [(3, a_refund().amount_micros)]
    [claim] = await parts.query("SELECT refund_id, reason FROM conflicts")
    assert tuple(claim) == ("r1", "CURRENCY_MISMATCH")
    await parts.require_balanced()


async def test_refunds_beyond_every_amount_are_booked_as_far_as_a_gift_can_be(
    parts: Parts,
) -> None:
    refunds = [a_refund(f"r{number}", amount_micros=AMOUNT_MICROS_MAX) for number in range(9_300)]
    assert sum(refund.amount_micros for refund in refunds) > 2**63
    await write(parts, parts.writers[0], Submission(refunds=refunds))
    await write(parts, parts.writers[0], Submission(gifts=[a_gift(amount_micros=1)]))
    assert await parts.sweeper.sweep() == 1
    books = {line[0]: sums for line, sums in (await parts.books()).items()}
    assert books == {1: (1, 1), 3: (1, 1), 4: (GIVEN_BACK_MICROS_MAX - 1, 1)}
    await parts.require_balanced()


async def test_however_much_waits_is_looked_at_part_by_part(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.commit.sweeper.LOOK", 4)
    monkeypatch.setattr("services.donations.commit.sweeper.PAGE", 2)
    ids = [str(number) for number in range(20)]
    for refund_id in ("r1", "r2"):
        refunds = [a_refund(refund_id, external_id=each) for each in ids]
        await write(parts, parts.writers[0], Submission(refunds=refunds))
    assert await parts.sweeper.sweep() == 0
    assert metrics.WAITING_REPORTS._value.get() == 20
    await write(parts, parts.writers[0], Submission(gifts=[a_gift(each) for each in ids[::2]]))
    seen: list[Key] = []
    after: Key | None = None
    while (part := await parts.reader.waiting(after, 3)).last is not None:
        assert part.last is not after
        seen += part.bookable
        after = part.last
    assert sorted(key.external_id for key in (*seen, *part.bookable)) == sorted(ids[::2])
    assert await parts.sweeper.sweep() == 10
    assert metrics.WAITING_REPORTS._value.get() == 10
    assert await parts.sweeper.sweep() == 0
    await parts.require_balanced()


async def test_what_cannot_be_booked_holds_up_nobody(parts: Parts, urls: DatabaseUrls) -> None:
    ids = [str(number) for number in range(5)]
    await write(
        parts, parts.writers[0], Submission(refunds=[a_refund(external_id=each) for each in ids])
    )
    with psycopg.connect(urls.owner) as owner:  # a stage that there is not
        owner.execute(
            """
            INSERT INTO stages (bucket, partner_id, external_id, event_id, stage, event_time,
                                recorded_time)
            SELECT bucket, partner_id, external_id, 'e', 99, event_time, recorded_time
            FROM refunds WHERE external_id = '3'"""
        )
    await write(parts, parts.writers[0], Submission(gifts=[a_gift(each) for each in ids]))
    assert await parts.sweeper.sweep() == 4
    assert await parts.sweeper.sweep() == 0
    waiting = await parts.query("SELECT external_id FROM waiting")
    assert [row.external_id for row in waiting] == ["3"]
    await parts.require_balanced()


async def test_the_sweeper_is_woken_by_the_commit_that_brings_the_gift(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.commit.sweeper.POLL_S", 3600.0)
    sweeping = asyncio.create_task(parts.sweeper.run())
    for number in range(3):
        refund = a_refund(external_id=str(number))
        await parts.committer.commit(Submission(refunds=[refund]))
        await asyncio.sleep(0.2)  # by now it has looked, and found no gift
        await parts.committer.commit(Submission(gifts=[a_gift(str(number))]))
        await booked(parts)
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)
    await parts.require_balanced()


async def booked(parts: Parts) -> None:
    """Waits until no refund waits."""
    async with asyncio.timeout(10):
        while await parts.query("SELECT FROM waiting"):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)


async def test_an_appeals_refunds_are_added_up_apart_and_what_exceeds_is_nobodys(
    parts: Parts,
) -> None:
    appealed = a_gift(project="surgery", campaign="week")
    given = a_gift("20190905-0002", campaign="week")
    excess = a_refund(amount_micros=1_230_005)
    await write(parts, parts.writers[0], Submission(gifts=[appealed, given]))
    await write(parts, parts.writers[1], Submission(refunds=[excess]))
    await write(
        parts,
        parts.writers[0],
        Submission(refunds=[a_refund("r2", external_id="20190905-0002", amount_micros=7)]),
    )
    found = {
        (line.kind, line.purpose, line.project): line.micros
        for summary in await parts.summaries()
        for line in summary.lines
    }
    assert found == {
        (LineKind.GIFT, Purpose.APPEAL, "surgery"): 1_230_000,
        (LineKind.GIFT, Purpose.CHARITY, "water"): 1_230_000,
        (LineKind.REFUND, Purpose.APPEAL, "surgery"): 1_230_000,
        (LineKind.SUSPENDED_REFUND, Purpose.UNATTRIBUTED, ""): 5,
        (LineKind.REFUND, Purpose.CHARITY, "water"): 7,
    }
    await parts.require_balanced()
