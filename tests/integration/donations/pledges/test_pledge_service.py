"""Pledges, over mutual TLS."""

import asyncio
from typing import Any

import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import pledge_service_pb2 as pb
from watersmeet.donations.v1.pledge_service_pb2_grpc import PledgeServiceStub
from watersmeet.errors.v1 import errors_pb2

from services.runtime.errors import Reason
from tests.integration.donations.conftest import Connect
from tests.integration.donations.messages import (
    request_id,
    stamp,
)
from tests.integration.donations.pledge_messages import (
    FEN,
    QUARTER_MICROS,
    TWO,
    counts,
    create,
    draft,
    order,
    problems_of,
    record,
)
from tests.integration.donations.test_intake_service import fault_of
from tests.support.clock import FixedClock
from tests.unit.donations.gifts import NOW_MICROS
from tests.unit.donations.pledges.pledging import DAY_MICROS, a_pledge


async def test_a_pledge_is_created_once_and_never_changed(weibo: Any) -> None:
    pledge = a_pledge(shares=TWO, campaign="week", end_micros=NOW_MICROS + DAY_MICROS)
    other = draft(pledge, rate_ppm=4_000)
    stranger = draft(pledge, "another merchant")
    outcomes = []
    for one in (draft(pledge), draft(pledge), other, stranger):
        [result] = (await weibo.CreatePledges(create(one), timeout=5)).results
        outcomes.append((result.outcome, result.version, result.problem.reason))
    conflict = intake_pb.OUTCOME_CONFLICTING, 1, errors_pb2.ERROR_REASON_PLEDGE_CONFLICT
    assert outcomes == [
        (intake_pb.OUTCOME_ACCEPTED, 1, 0),
        (intake_pb.OUTCOME_REPLAYED, 1, 0),
        conflict,
        conflict,
    ]
    found = (await weibo.GetPledge(pb.GetPledgeRequest(code="spring"), timeout=5)).pledge
    expected = draft(pledge).pledge
    expected.partner, expected.version = "weibo", 1
    assert found == expected


async def test_many_that_create_one_pledge_agree_on_it(weibo: Any) -> None:
    drafts = [draft(a_pledge(rate_ppm=rate)) for rate in (1_000, 2_000)] * 4
    answers = await asyncio.gather(
        *(weibo.CreatePledges(create(one), timeout=10) for one in drafts)
    )
    outcomes = [answer.results[0].outcome for answer in answers]
    assert outcomes.count(intake_pb.OUTCOME_ACCEPTED) == 1
    assert outcomes.count(intake_pb.OUTCOME_REPLAYED) == 3
    assert outcomes.count(intake_pb.OUTCOME_CONFLICTING) == 4


async def test_bad_pledges_are_named_and_the_others_created(weibo: Any) -> None:
    good = a_pledge("good")
    drafts = [
        draft(a_pledge("slow", rate_ppm=999)),
        draft(a_pledge("money"), currency_code="RMB"),
        draft(a_pledge("rounding"), rounding=pb.PLEDGE_ROUNDING_UNSPECIFIED),
        draft(a_pledge("fixed"), fixed_micros=-5),
        draft(a_pledge("start"), start_time=None),
        draft(good),
        draft(good),
        draft(a_pledge("nobody"), merchant=""),
        pb.PledgeDraft(merchant_reference="m"),
        pb.PledgeDraft(merchant_reference="m", pledge=pb.Pledge(code="nothing")),
    ]
    answer = await weibo.CreatePledges(create(*drafts), timeout=5)
    reasons = [
        errors_pb2.ErrorReason.Name(result.problem.reason).removeprefix("ERROR_REASON_")
        for result in answer.results
    ]
    assert reasons == [
        "FIELD_INVALID",
        "CURRENCY_UNKNOWN",
        "FIELD_REQUIRED",
        "FIELD_INVALID",
        "FIELD_REQUIRED",
        "UNSPECIFIED",
        "FIELD_INVALID",
        *["FIELD_REQUIRED"] * 3,
    ]
    listed = await weibo.ListPledges(pb.ListPledgesRequest(), timeout=5)
    assert [pledge.code for pledge in listed.pledges] == ["good"]


async def test_an_orders_time_picks_the_version(weibo: Any, clock: FixedClock) -> None:
    await weibo.CreatePledges(create(draft(a_pledge(rate_ppm=1_000))), timeout=5)
    await weibo.RecordOrders(record(order()), timeout=5)
    soon = NOW_MICROS + QUARTER_MICROS
    too_soon = draft(a_pledge(rate_ppm=500_000, start_micros=soon - 1))
    [result] = (await weibo.CreatePledges(create(too_soon), timeout=5)).results
    assert result.problem.reason == errors_pb2.ERROR_REASON_FIELD_INVALID
    second = draft(a_pledge(rate_ppm=500_000, start_micros=soon))
    [result] = (await weibo.CreatePledges(create(second), timeout=5)).results
    assert (result.outcome, result.version) == (intake_pb.OUTCOME_ACCEPTED, 2)

    clock.advance(3600)
    orders = [
        order("old", paid_micros=FEN, event_time=stamp(soon - 1)),
        order("new", paid_micros=FEN, event_time=stamp(soon)),
    ]
    assert counts(await weibo.RecordOrders(record(*orders, order()), timeout=5))[:2] == (2, 1)
    versions = {}
    for order_id in ("old", "new"):
        found = await weibo.GetOrder(pb.GetOrderRequest(order_id=order_id), timeout=5)
        versions[order_id] = found.pledge_version, found.gifts[0].amount.micros
    assert versions == {"old": (1, 10), "new": (2, 5_000)}
    for version, orders_of_it in ((1, 2), (2, 1)):
        wanted = pb.GetPledgeRequest(code="spring", version=version)
        found = await weibo.GetPledge(wanted, timeout=5)
        assert (found.pledge.version, found.account.orders) == (version, orders_of_it)


@pytest.mark.usefixtures("spring")
async def test_an_ended_pledge_takes_no_later_orders(weibo: Any, clock: FixedClock) -> None:
    end = NOW_MICROS + QUARTER_MICROS

    def ending(micros: int) -> pb.EndPledgeRequest:
        return pb.EndPledgeRequest(request_id=request_id(), code="spring", end_time=stamp(micros))

    fault = await fault_of(weibo.EndPledge(ending(end - 1), timeout=5))
    assert fault.reason is Reason.FIELD_INVALID
    for _ in range(2):
        answer = await weibo.EndPledge(ending(end), timeout=5)
        assert answer.pledge.end_time == stamp(end)
    fault = await fault_of(weibo.EndPledge(ending(end + 1), timeout=5))
    assert fault.reason is Reason.PLEDGE_CONFLICT
    # As it was created, it is created still.
    [result] = (await weibo.CreatePledges(create(draft(a_pledge(shares=TWO))), timeout=5)).results
    assert result.outcome == intake_pb.OUTCOME_REPLAYED

    clock.advance(3600)
    orders = [order("in", event_time=stamp(end - 1)), order("out", event_time=stamp(end))]
    answer = await weibo.RecordOrders(record(*orders), timeout=5)
    assert (counts(answer), problems_of(answer)) == ((1, 0, 0, 0, 1), ["PLEDGE_NOT_IN_FORCE"])
    # The end may also be the one that the pledge was created with, and is then only brought nearer.
    dated = a_pledge("dated", end_micros=NOW_MICROS + DAY_MICROS)
    await weibo.CreatePledges(create(draft(dated)), timeout=5)
    ask = pb.EndPledgeRequest(request_id=request_id(), code="dated")
    assert (await fault_of(weibo.EndPledge(ask, timeout=5))).reason is Reason.FIELD_REQUIRED
    for micros, reason in ((2 * DAY_MICROS, Reason.PLEDGE_CONFLICT), (DAY_MICROS // 2, None)):
        ask.end_time.CopyFrom(stamp(NOW_MICROS + micros))
        if reason is None:
            answer = await weibo.EndPledge(ask, timeout=5)
            assert answer.pledge.end_time == ask.end_time
        else:
            assert (await fault_of(weibo.EndPledge(ask, timeout=5))).reason is reason


async def test_pledges_are_listed_in_pages(weibo: Any, connect: Connect) -> None:
    empty = await weibo.ListPledges(pb.ListPledgesRequest(), timeout=5)
    assert (list(empty.pledges), empty.next_page_token) == ([], "")
    codes = [f"p{number}" for number in range(5)]
    await weibo.CreatePledges(create(*(draft(a_pledge(code)) for code in codes)), timeout=5)
    again = draft(a_pledge("p1", start_micros=NOW_MICROS + QUARTER_MICROS))
    await weibo.CreatePledges(create(again), timeout=5)
    seen, token = [], ""
    while True:
        wanted = pb.ListPledgesRequest(page_size=2, page_token=token)
        page = await weibo.ListPledges(wanted, timeout=5)
        seen += [(pledge.code, pledge.version) for pledge in page.pledges]
        token = page.next_page_token
        if not token:
            break
    assert seen == [("p0", 1), ("p1", 1), ("p1", 2), ("p2", 1), ("p3", 1), ("p4", 1)]
    other: Any = PledgeServiceStub(connect("partner", "xiaomi"))
    assert not (await other.ListPledges(pb.ListPledgesRequest(), timeout=5)).pledges
    for wanted in (
        pb.GetPledgeRequest(code="p1", version=3),
        pb.GetPledgeRequest(code="p1", version=-1),
        pb.GetPledgeRequest(code="nothing"),
    ):
        fault = await fault_of(weibo.GetPledge(wanted, timeout=5))
        assert fault.reason is Reason.PLEDGE_NOT_FOUND


async def test_partners_alone_pledge_and_report_orders(connect: Connect) -> None:
    for role, name in (("finance", "local"), ("service", "gateway")):
        stub: Any = PledgeServiceStub(connect(role, name))
        for call in (stub.RecordOrders(record(order())), stub.CreatePledges(create())):
            assert (await fault_of(call)).reason is Reason.PERMISSION_DENIED
