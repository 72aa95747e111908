"""One gift, told of by the company that it was made with and by the rail that it was paid on."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.donations.commit.submission import Submission
from services.donations.domain import Gift, LineKind, Outcome, Rail
from services.donations.gifts.columns import columns_of
from services.donations.life.transitions import State
from services.donations.proof.positions import check_positions
from services.donations.store.links import ORIGINS_MAX
from services.donations.store.rederiving import LifeReader
from services.runtime.errors import Reason
from tests.integration.donations.canonical import balances
from tests.integration.donations.parts import Parts, outcomes_of, write
from tests.unit.donations.gifts import a_gift, a_refund

ORIGIN = a_gift("order-1", partner="bytedance", rail=Rail("tencent", "4200"), amount_micros=100)
RAIL = a_gift("4200", partner="tencent", project="", amount_micros=100)
COUNTED = {
    "partner/bytedance/claimed CNY": 100,
    "project/water/fund CNY": -100,
}


async def held(parts: Parts) -> dict[str, int]:
    """What all accounts hold."""
    batches = await parts.outbox.due(parts.clock(), 1000)
    return dict(balances(line for batch in batches for line in batch.lines))


@pytest.mark.parametrize("order", [(ORIGIN, RAIL), (RAIL, ORIGIN)])
@pytest.mark.parametrize("lanes", [(0, 0), (0, 1)])
async def test_whichever_comes_first_the_origin_counts(
    parts: Parts, order: Sequence[Gift], lanes: Sequence[int]
) -> None:
    for gift, lane in zip(order, lanes, strict=True):
        await write(parts, parts.writers[lane], Submission(gifts=[gift]))
    assert await held(parts) == COUNTED
    assert await parts.sweeper.sweep() == 0
    await parts.require_balanced()
    found = await parts.reader.life("tencent", await parts.catalog.partner_id("tencent"), "4200")
    assert found is not None
    assert [(report.partner, report.counts) for report in found.reports] == [
        ("bytedance", True),
        ("tencent", False),
    ]


async def test_a_report_that_everybody_names_is_linked_to_no_more_than_some(parts: Parts) -> None:
    many = [replace(ORIGIN, external_id=f"order-{n:04}") for n in range(1_200)]
    for start in range(0, 250, 25):
        small = Submission(gifts=many[start : start + 25])
        recorded = await write(parts, parts.writers[start // 25 % 2], small)
        assert set(outcomes_of(recorded)) == {Outcome.ACCEPTED}
    bulk = Submission(columns=columns_of(many[250:]))
    assert set(outcomes_of(await write(parts, parts.writers[0], bulk))) == {Outcome.ACCEPTED}
    assert len(await parts.query("SELECT FROM links")) == ORIGINS_MAX
    again = await write(parts, parts.writers[1], Submission(gifts=many[:250]))
    assert set(outcomes_of(again)) == {Outcome.REPLAYED}
    await write(parts, parts.writers[0], Submission(gifts=[RAIL]))
    await parts.sweeper.sweep()
    assert (await held(parts))["partner/bytedance/claimed CNY"] == 1_200 * 100
    assert "partner/tencent/claimed CNY" not in await held(parts)
    await parts.require_balanced()


async def test_a_bulk_whose_rows_name_one_report_is_linked_to_no_more(parts: Parts) -> None:
    many = [replace(ORIGIN, external_id=f"order-{n:04}") for n in range(300)]
    await write(parts, parts.writers[0], Submission(columns=columns_of(many)))
    assert len(await parts.query("SELECT FROM links")) == ORIGINS_MAX
    await parts.require_balanced()


async def test_both_in_one_transaction(parts: Parts) -> None:
    await write(parts, parts.writers[0], Submission(gifts=[RAIL, ORIGIN]))
    assert await held(parts) == COUNTED
    assert len(await parts.summaries()) == 1
    await parts.require_balanced()


@pytest.mark.parametrize("order", [(ORIGIN, RAIL), (RAIL, ORIGIN)])
async def test_bulk_leaves_pairs_to_the_sweeper(parts: Parts, order: Sequence[Gift]) -> None:
    others = [a_gift(f"other-{n}", amount_micros=1) for n in range(300)]
    for gift in order:
        columns = columns_of([gift, *others])
        recorded = await write(parts, parts.writers[0], Submission(columns=columns))
    assert recorded.waiting == (1 if order[1] is ORIGIN else 0)
    assert (await held(parts))["partner/tencent/claimed CNY"] == 100
    assert await parts.sweeper.sweep() == 1
    assert "partner/tencent/claimed CNY" not in await held(parts)
    assert await parts.query("SELECT FROM waiting") == []
    await parts.require_balanced()


async def test_two_lanes_that_do_not_see_each_other(parts: Parts) -> None:
    await asyncio.gather(
        *(
            write(parts, writer, Submission(gifts=[gift]))
            for writer, gift in zip(parts.writers, (ORIGIN, RAIL), strict=True)
        )
    )
    await parts.sweeper.sweep()
    assert await held(parts) == COUNTED
    await parts.require_balanced()


async def test_refunds_are_told_by_both_and_booked_once(parts: Parts) -> None:
    ours = a_refund("o1", partner="bytedance", external_id="order-1", amount_micros=30)
    theirs = a_refund("t1", partner="tencent", external_id="4200", amount_micros=30)
    more = a_refund("t2", partner="tencent", external_id="4200", amount_micros=15)
    for submission in (
        Submission(gifts=[RAIL], refunds=[theirs]),
        Submission(gifts=[ORIGIN]),
        Submission(refunds=[ours]),
        Submission(refunds=[more]),
    ):
        [result] = (await write(parts, parts.writers[0], submission)).results
        assert all(fate.outcome is Outcome.ACCEPTED for fate in result.refunds)
    assert await held(parts) == {
        "partner/bytedance/claimed CNY": 55,
        "project/water/fund CNY": -55,
    }
    found = await parts.reader.life(
        "bytedance", await parts.catalog.partner_id("bytedance"), "order-1"
    )
    assert found is not None
    assert found.refunded_micros == 45
    assert [refund.refund_id for refund in found.refunds] == ["o1", "t1", "t2"]
    assert all(refund.batch_id is not None for refund in found.refunds)
    await parts.require_balanced()


@pytest.mark.parametrize("rail_comes_first", [True, False])
@pytest.mark.parametrize(("amount", "currency"), [(90, "CNY"), (10**12, "CNY"), (100, "USD")])
async def test_of_two_sums_the_rail_s_counts_and_the_other_is_a_claim(
    parts: Parts, rail_comes_first: bool, amount: int, currency: str
) -> None:
    """However little an origin says that was paid, it takes nothing that was out of the totals."""
    other = replace(RAIL, amount_micros=amount, currency=currency)
    refunds = [
        a_refund("o1", partner="bytedance", external_id="order-1", amount_micros=30),
        a_refund("t1", partner="tencent", external_id="4200", amount_micros=5, currency=currency),
    ]
    for gift in (other, ORIGIN) if rail_comes_first else (ORIGIN, other):
        await write(parts, parts.writers[0], Submission(gifts=[gift]))
    for refund in refunds:
        await write(parts, parts.writers[1], Submission(refunds=[refund]))
    assert await held(parts) == {
        f"partner/tencent/claimed {currency}": amount - 5,
        f"partner/tencent/suspense {currency}": 5 - amount,
    }
    await parts.sweeper.sweep()
    await parts.require_balanced()
    async for checked in check_positions(LifeReader(parts.engine)):
        assert checked.differences == []
    reports = ("tencent", "4200", True), ("bytedance", "order-1", False)
    for partner, external_id, counts in reports:
        partner_id = await parts.catalog.partner_id(partner)
        found = await parts.reader.life(partner, partner_id, external_id)
        assert found is not None
        [report] = found.reports
        [listed] = await parts.reader.reports(partner, partner_id, None, 10)
        for told in (report, listed):
            assert (told.counts, told.belongs_to) == (counts, ("tencent", "4200"))
        [paged] = await parts.reader.page(partner, partner_id, None, 10)
        assert paged.refunded_micros == found.refunded_micros == (5 if counts else 0)
    [claim] = await parts.query("SELECT external_id, reason, claim FROM conflicts")
    assert tuple(claim) == (
        "order-1",
        "RAIL_MISMATCH",
        {"rail": "tencent", "rail_id": "4200", "amount_micros": amount, "currency": currency},
    )


async def test_of_several_origins_only_those_that_agree_can_have_the_rail(parts: Parts) -> None:
    """In any order: those that do not agree count nothing, whoever has it."""
    sums = {"order-1": 100, "order-2": 90, "order-3": 100, "order-4": 110}
    many = [replace(ORIGIN, external_id=name, amount_micros=sums[name]) for name in sums]
    for gift in (many[3], many[2], RAIL, many[1], many[0]):
        await write(parts, parts.writers[0], Submission(gifts=[gift]))
    assert await held(parts) == {
        "partner/bytedance/claimed CNY": 200,
        "project/water/fund CNY": -200,
    }
    claims = await parts.query("SELECT external_id, reason FROM conflicts ORDER BY 1")
    told = dict(map(tuple, claims))
    assert (told.pop("order-2"), told.pop("order-4")) == ("RAIL_MISMATCH", "RAIL_MISMATCH")
    assert list(told.values()) == ["RAIL_TAKEN"]
    await parts.require_balanced()


async def test_every_report_of_a_gift_tells_what_became_of_it(parts: Parts) -> None:
    """One of a rail's two reports is about another company's gift, which was given back."""
    refund = a_refund("o1", partner="bytedance", external_id="order-1", amount_micros=100)
    alone = replace(RAIL, external_id="4201")
    gifts = [RAIL, alone, ORIGIN, replace(ORIGIN, external_id="order-2")]
    await write(parts, parts.writers[0], Submission(gifts=gifts, refunds=[refund]))
    [claim] = await parts.query("SELECT external_id FROM conflicts")
    partner_id = await parts.catalog.partner_id("tencent")
    page = await parts.reader.page("tencent", partner_id, None, 10)
    listed = {found.gift.external_id: found for found in page}
    theirs = State.CLAIMED if claim.external_id == "order-1" else State.REFUNDED
    assert {external_id: found.state for external_id, found in listed.items()} == {
        "4200": theirs,
        "4201": State.CLAIMED,
    }
    assert (listed["4200"].suspended, listed["4201"].suspended) == (False, True)
    for external_id, found in listed.items():
        whole = await parts.reader.life("tencent", partner_id, external_id)
        assert whole is not None
        told = (whole.state, whole.refunded_micros, whole.suspended)
        assert told == (found.state, found.refunded_micros, found.suspended)


@pytest.mark.parametrize("ids", [("a", "b"), ("b", "a")])
async def test_of_two_origins_the_least_has_the_rail(parts: Parts, ids: Sequence[str]) -> None:
    refund = a_refund("t1", partner="tencent", external_id="4200", amount_micros=40)
    await write(parts, parts.writers[0], Submission(gifts=[RAIL], refunds=[refund]))
    for external_id in ids:
        gift = a_gift(
            external_id, partner="bytedance", rail=Rail("tencent", "4200"), amount_micros=100
        )
        await write(parts, parts.writers[0], Submission(gifts=[gift]))
    assert await held(parts) == {
        "partner/bytedance/claimed CNY": 160,
        "project/water/fund CNY": -160,
    }
    claims = await parts.query("SELECT external_id, reason FROM conflicts")
    [least] = await parts.query(
        "SELECT external_id FROM links ORDER BY bucket, partner_id, external_id LIMIT 1"
    )
    assert [tuple(claim) for claim in claims] == [
        ("a" if least.external_id == "b" else "b", "RAIL_TAKEN")
    ]
    await parts.require_balanced()


async def test_a_repeat_may_add_a_rail_but_not_change_it(parts: Parts) -> None:
    silent = a_gift("order-1", partner="bytedance", amount_micros=100)
    other = a_gift("order-1", partner="bytedance", amount_micros=100, rail=Rail("alipay", "2019"))
    await write(parts, parts.writers[0], Submission(gifts=[RAIL]))
    outcomes = [
        outcomes_of(await write(parts, parts.writers[0], Submission(gifts=[gift])))[0]
        for gift in (silent, ORIGIN, silent, ORIGIN, other)
    ]
    assert outcomes == [
        Outcome.ACCEPTED,
        Outcome.REPLAYED,
        Outcome.REPLAYED,
        Outcome.REPLAYED,
        Outcome.CONFLICTING,
    ]
    assert await held(parts) == COUNTED
    [claim] = await parts.query("SELECT reason, claim FROM conflicts")
    assert claim.reason == Reason.DONATION_CONFLICT
    assert (claim.claim["rail"], claim.claim["rail_id"]) == ("alipay", "2019")


async def test_each_step_of_a_gift_s_life_is_told(parts: Parts) -> None:
    refund = a_refund("t1", partner="tencent", external_id="4200", amount_micros=40)
    await write(parts, parts.writers[0], Submission(gifts=[RAIL], refunds=[refund]))
    await write(parts, parts.writers[0], Submission(gifts=[ORIGIN]))
    moves = await parts.query(
        "SELECT external_id, number, kind, amount_micros FROM moves ORDER BY batch_id, 1, 2"
    )
    kinds = [(move.external_id, move.number, LineKind(move.kind).name) for move in moves]
    assert kinds == [
        ("4200", 1, "SUSPENDED_REFUND"),
        ("4200", 2, "SUSPENDED_REFUND_BACK"),
        ("4200", 3, "SUSPENDED_JOIN"),
        ("order-1", 1, "REFUND"),
    ]
