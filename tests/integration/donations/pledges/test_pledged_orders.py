"""Orders, over mutual TLS."""

import asyncio
from typing import Any

import psycopg
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import pledge_service_pb2 as pb
from watersmeet.donations.v1.pledge_service_pb2_grpc import PledgeServiceStub
from watersmeet.type.v1 import money_pb2

from services.donations.pledges.pledge import Share
from services.runtime.errors import Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.messages import (
    donation_request,
    refund_request,
    request_id,
    stamp,
)
from tests.integration.donations.pledge_messages import (
    FEN,
    TWO,
    counts,
    create,
    draft,
    order,
    problems_of,
    record,
)
from tests.integration.donations.test_intake_service import fault_of
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund
from tests.unit.donations.pledges.pledging import DAY_MICROS, a_pledge


@pytest.mark.usefixtures("spring")
async def test_an_order_gives_to_its_pledges_projects_once(
    weibo: Any, intake: Any, ledger: LedgerProcess
) -> None:
    first = await weibo.RecordOrders(record(order()), timeout=5)
    assert counts(first) == (1, 0, 0, 0, 0)
    # 0.3 % of 19.99 is 0.05997: two thirds and one third of 59970 micros.
    for external_id, project, micros in (("A1/1", "water", 39_980), ("A1/2", "books", 19_990)):
        wanted = intake_pb.GetDonationRequest(external_id=external_id)
        gift = (await intake.GetDonation(wanted, timeout=5)).donation
        assert (gift.project, gift.amount.micros) == (project, micros)
        assert gift.batch_id == first.batch_id
    again = await weibo.RecordOrders(record(order(), order()), timeout=5)
    assert (counts(again), again.batch_id) == ((0, 2, 0, 0, 0), "")
    await eventually(lambda: bool(ledger.ledger.entries))
    assert ledger.ledger.micros() == {
        ("partner/weibo/claimed", "project/water/fund"): 39_980,
        ("partner/weibo/claimed", "project/books/fund"): 19_990,
    }


@pytest.mark.usefixtures("spring")
async def test_the_merchant_is_the_donor_and_the_shopper_a_participant(
    weibo: Any, urls: DatabaseUrls
) -> None:
    await weibo.RecordOrders(
        record(order(), order("A2"), order("A3", shopper_reference="")), timeout=5
    )
    with psycopg.connect(urls.owner) as connection:
        donors = connection.execute("SELECT DISTINCT donor_token FROM donations").fetchall()
        merchants = connection.execute("SELECT merchant_token FROM pledges").fetchall()
        participants = connection.execute(
            "SELECT participant_token FROM pledged_orders ORDER BY order_id"
        ).fetchall()
    assert donors == merchants
    assert len(donors[0][0]) == 16
    assert participants[0] == participants[1] != donors[0]
    assert participants[2] == (b"",)
    found = await weibo.GetOrder(pb.GetOrderRequest(order_id="A3"), timeout=5)
    assert not found.has_participant


@pytest.mark.usefixtures("spring")
async def test_an_order_is_shown_with_its_gifts(weibo: Any, connect: Connect) -> None:
    await weibo.RecordOrders(record(order()), timeout=5)
    finance: Any = PledgeServiceStub(connect("finance", "local"))
    wanted = pb.GetOrderRequest(partner="weibo", order_id="A1")
    found = await finance.GetOrder(wanted, timeout=5)
    assert (found.partner, found.paid.micros, found.pledge) == ("weibo", 1999 * FEN, "spring")
    assert (found.pledge_version, found.has_participant) == (1, True)
    assert [(gift.external_id, gift.project, gift.amount.micros) for gift in found.gifts] == [
        ("A1/1", "water", 39_980),
        ("A1/2", "books", 19_990),
    ]
    other: Any = PledgeServiceStub(connect("partner", "xiaomi"))
    fault = await fault_of(other.GetOrder(pb.GetOrderRequest(order_id="A1"), timeout=5))
    assert fault.reason is Reason.ORDER_NOT_FOUND


async def test_an_order_with_other_content_gives_nothing_and_is_kept_as_a_claim(
    weibo: Any, urls: DatabaseUrls
) -> None:
    # At the first price the second project gets nothing, at the second it would.
    pledge = a_pledge(shares=(Share("water", 99), Share("books", 1)), unit_micros=FEN)
    await weibo.CreatePledges(create(draft(pledge)), timeout=5)
    await weibo.RecordOrders(record(order(paid_micros=10_000_000)), timeout=5)
    for changes in (
        {"paid_micros": 10_000_000_000},
        {"shopper_reference": "another"},
        {"event_time": stamp(NOW_MICROS)},
    ):
        answer = await weibo.RecordOrders(record(order(**changes)), timeout=5)  # type: ignore[arg-type]
        assert (counts(answer), problems_of(answer)) == ((0, 0, 1, 0, 0), ["ORDER_CONFLICT"])
    with psycopg.connect(urls.owner) as connection:
        gifts = connection.execute("SELECT external_id, amount_micros FROM donations").fetchall()
        claims = connection.execute("SELECT external_id, reason FROM conflicts").fetchall()
    assert gifts == [("A1/1", 30_000)]
    assert claims == [("A1", "ORDER_CONFLICT")] * 3


@pytest.mark.usefixtures("spring")
async def test_orders_that_cannot_be_evaluated_are_named_and_the_others_recorded(
    weibo: Any,
) -> None:
    yuan = money_pb2.Money(currency_code="CNY", micros=1)
    bad = {
        "PLEDGE_NOT_FOUND": {"pledge": "autumn"},
        "PLEDGE_NOT_IN_FORCE": {"event_time": stamp(NOW_MICROS - 31 * DAY_MICROS)},
        "CURRENCY_MISMATCH": {"paid": money_pb2.Money(currency_code="USD", micros=1)},
        "AMOUNT_NOT_POSITIVE": {"paid": money_pb2.Money(currency_code="CNY")},
        "AMOUNT_OVER_LIMIT": {"paid": money_pb2.Money(currency_code="CNY", micros=2 * 10**15)},
        "EVENT_TIME_IN_FUTURE": {"event_time": stamp(NOW_MICROS + 601_000_000)},
        "FIELD_REQUIRED": {"event_time": None, "paid": yuan},
        "FIELD_INVALID": {"shopper_reference": "x" * 129},
    }
    orders = [order(f"bad-{name}", **changes) for name, changes in bad.items()]  # type: ignore[arg-type]
    orders += [order("remainder.1.1"), order("has space"), order("x" * 61), order("")]
    orders += [order("no-time", event_time=stamp(-(10**17))), order("good")]
    answer = await weibo.RecordOrders(record(*orders), timeout=5)
    assert counts(answer) == (1, 0, 0, 0, len(orders) - 1)
    assert [row.index for row in answer.rows] == list(range(len(orders) - 1))
    assert problems_of(answer) == [
        *bad,
        *(["FIELD_INVALID"] * 3 + ["FIELD_REQUIRED", "FIELD_INVALID"]),
    ]
    assert all(row.problem.message for row in answer.rows)
    # What was missing is created, and the same order is sent again.
    await weibo.CreatePledges(create(draft(a_pledge("autumn"))), timeout=5)
    again = await weibo.RecordOrders(record(orders[0]), timeout=5)
    assert counts(again) == (1, 0, 0, 0, 0)


async def test_a_call_holds_at_least_one_and_no_more_than_its_most(weibo: Any) -> None:
    for request in (record(), record(*[order()] * 1_001)):
        fault = await fault_of(weibo.RecordOrders(request, timeout=5))
        assert fault.reason is Reason.BATCH_SIZE_INVALID
    for request in (create(), create(*[draft(a_pledge())] * 1_001)):
        fault = await fault_of(weibo.CreatePledges(request, timeout=5))
        assert fault.reason is Reason.BATCH_SIZE_INVALID


async def test_a_gift_to_a_project_that_nobody_knows_stands_in_suspense(weibo: Any) -> None:
    shares = (Share("water", 1), Share("unheard-of", 1))
    await weibo.CreatePledges(create(draft(a_pledge(shares=shares))), timeout=5)
    answer = await weibo.RecordOrders(record(order()), timeout=5)
    assert counts(answer) == (1, 0, 0, 1, 0)
    assert [(row.index, row.outcome) for row in answer.rows] == [(0, intake_pb.OUTCOME_SUSPENDED)]


@pytest.mark.usefixtures("spring")
async def test_a_gift_that_was_reported_directly_is_not_taken_for_an_orders(
    weibo: Any, intake: Any
) -> None:
    await intake.RecordDonation(donation_request(a_gift("A1/1")), timeout=5)
    fault = await fault_of(weibo.RecordOrders(record(order(), order("A2")), timeout=5))
    assert fault.reason is Reason.DONATION_CONFLICT
    assert "A1/1" in fault.message
    for order_id in ("A1", "A2"):
        wanted = pb.GetOrderRequest(order_id=order_id)
        fault = await fault_of(weibo.GetOrder(wanted, timeout=5))
        assert fault.reason is Reason.ORDER_NOT_FOUND
    answer = await weibo.RecordOrders(record(order("A2")), timeout=5)
    assert counts(answer) == (1, 0, 0, 0, 0)


@pytest.mark.usefixtures("spring")
async def test_an_order_that_is_returned_is_refunded_gift_by_gift(
    weibo: Any, intake: Any, ledger: LedgerProcess
) -> None:
    await weibo.RecordOrders(record(order()), timeout=5)
    for external_id, micros in (("A1/1", 39_980), ("A1/2", 19_990)):
        refund = a_refund(external_id=external_id, amount_micros=micros)
        answer = await intake.RecordRefund(refund_request(refund), timeout=5)
        assert answer.outcome == intake_pb.OUTCOME_ACCEPTED
    await eventually(lambda: len(ledger.ledger.entries) == 3)
    moved = ledger.ledger.micros()
    assert moved["project/water/fund", "partner/weibo/claimed"] == 39_980
    assert moved["project/books/fund", "partner/weibo/claimed"] == 19_990


async def test_what_is_cut_off_is_kept_and_given_when_it_comes_to_a_unit(weibo: Any) -> None:
    # 0.1 % of 3.33 yuan is a third of a fen; four of them are a fen and a third.
    pledge = a_pledge(rate_ppm=1_000, unit_micros=FEN, shares=TWO)
    await weibo.CreatePledges(create(draft(pledge)), timeout=5)
    orders = [order(f"A{number}", paid_micros=333 * FEN) for number in range(4)]
    give = pb.GiveRemainderRequest(request_id=request_id(), code="spring")
    given = []
    for one in orders:
        answer = await weibo.RecordOrders(record(one), timeout=5)
        assert (counts(answer), answer.batch_id) == ((1, 0, 0, 0, 0), "")
        given.append((await weibo.GiveRemainder(give, timeout=5)).given.micros)
    assert given == [0, 0, 0, FEN]
    again = await weibo.RecordOrders(record(*orders), timeout=5)
    assert counts(again) == (0, 4, 0, 0, 0)
    answer = await weibo.GiveRemainder(give, timeout=5)
    assert (answer.given.micros, answer.given.currency_code) == (0, "CNY")
    account = answer.account
    assert (account.orders, account.paid_micros) == (4, 4 * 333 * FEN)
    assert (account.share_micros, account.share_millionths) == (13_320, 0)
    assert (account.given_micros, account.remainder_micros) == (FEN, 3_320)
    found = await weibo.GetPledge(pb.GetPledgeRequest(code="spring"), timeout=5)
    assert found.account == account
    remainder = await weibo.GetOrder(pb.GetOrderRequest(order_id="remainder.1.1"), timeout=5)
    [gift] = remainder.gifts
    assert (gift.external_id, gift.project, gift.amount.micros) == (
        "remainder.1.1/1",
        "water",
        FEN,
    )


async def test_a_remainder_is_given_once_though_many_give_it(
    weibo: Any, urls: DatabaseUrls
) -> None:
    pledge = a_pledge(rate_ppm=1_000, unit_micros=FEN)
    await weibo.CreatePledges(create(draft(pledge)), timeout=5)
    orders = [order(f"A{number}", paid_micros=999 * FEN) for number in range(100)]
    await weibo.RecordOrders(record(*orders), timeout=5)

    async def give() -> int:
        request = pb.GiveRemainderRequest(request_id=request_id(), code="spring")
        return int((await weibo.GiveRemainder(request, timeout=10)).given.micros)

    given = await asyncio.gather(*(give() for _ in range(10)))
    assert sum(given) == 99 * FEN
    account = (await weibo.GetPledge(pb.GetPledgeRequest(code="spring"), timeout=5)).account
    assert (account.given_micros, account.remainder_micros) == (99 * FEN, 9_000)
    with psycopg.connect(urls.owner) as connection:
        assert connection.execute("SELECT * FROM conflicts").fetchall() == []
