"""Claims of disputes, stages and rails, as finance sees them, over mutual TLS."""

from typing import Any

import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import review_service_pb2 as pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.donations.v1.life_service_pb2_grpc import LifeServiceStub
from watersmeet.donations.v1.review_service_pb2_grpc import ReviewServiceStub
from watersmeet.errors.v1 import errors_pb2
from watersmeet.type.v1 import money_pb2

from tests.integration.donations.conftest import Connect
from tests.integration.donations.messages import donation_request, refund_request, stamp
from tests.integration.donations.test_intake_service import fault_of
from tests.integration.donations.test_life_service import SETTLED, a_dispute, stages
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund

OPENED = intake_pb.DISPUTE_STATUS_OPENED
WON = intake_pb.DISPUTE_STATUS_WON
GIFT = a_gift()


@pytest.fixture
def weibo(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("partner", "weibo"))


@pytest.fixture
def finance(connect: Connect) -> Any:
    return ReviewServiceStub(connect("finance", "local"))


def cny(micros: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code="CNY", micros=micros)


async def conflicts(finance: Any) -> list[pb.Conflict]:
    answer = await finance.ListConflicts(pb.ListConflictsRequest(), timeout=5)
    return list(answer.conflicts)


async def test_a_claim_of_a_dispute_stands_beside_that_status_of_the_dispute(
    connect: Connect, weibo: Any, finance: Any
) -> None:
    life: Any = LifeServiceStub(connect("partner", "weibo"))
    await weibo.RecordDonation(donation_request(GIFT), timeout=5)
    # A refund may have the same id: it is nothing that the claim contradicts.
    await weibo.RecordRefund(refund_request(a_refund(refund_id="d1")), timeout=5)
    await life.RecordDispute(a_dispute(OPENED, 5), timeout=5)
    await life.RecordDispute(a_dispute(WON, 6), timeout=5)
    await fault_of(life.RecordDispute(a_dispute(OPENED, 7), timeout=5))
    [found] = await conflicts(finance)
    assert found.reason == errors_pb2.ERROR_REASON_DISPUTE_CONFLICT
    assert (found.external_id, found.refund_id) == (GIFT.external_id, "d1")
    assert (found.claim.amount, found.claim.dispute) == (cny(7), OPENED)
    assert (found.dispute.amount, found.dispute.dispute) == (cny(5), OPENED)
    assert found.gift.amount == cny(GIFT.amount_micros)
    assert not found.HasField("refund")
    assert found.HasField("recorded_time")


async def test_a_claim_of_a_stage_stands_beside_the_event(
    connect: Connect, weibo: Any, finance: Any
) -> None:
    life: Any = LifeServiceStub(connect("finance", "local"))
    await weibo.RecordDonation(donation_request(GIFT), timeout=5)
    await life.RecordStages(stages(SETTLED), timeout=5)
    later = stages(SETTLED)
    later.events[0].event_time.CopyFrom(stamp(NOW_MICROS + 1))
    answer = await life.RecordStages(later, timeout=5)
    assert answer.results[0].problem.reason == errors_pb2.ERROR_REASON_STAGE_CONFLICT
    [found] = await conflicts(finance)
    assert found.reason == errors_pb2.ERROR_REASON_STAGE_CONFLICT
    assert found.refund_id == later.events[0].event_id
    assert (found.claim.stage, found.stage.stage) == (SETTLED, SETTLED)
    assert not found.claim.HasField("amount")
    assert found.claim.event_time == stamp(NOW_MICROS + 1)
    assert found.stage.event_time == stamp(NOW_MICROS)


async def test_claims_of_rails_name_the_rail_and_what_it_tells(
    connect: Connect, weibo: Any, finance: Any
) -> None:
    alipay: Any = DonationIntakeServiceStub(connect("partner", "alipay"))
    other = GIFT.amount_micros - 1
    await alipay.RecordDonation(donation_request(a_gift("t"), amount=cny(other)), timeout=5)
    await alipay.RecordDonation(donation_request(a_gift("u")), timeout=5)
    for external_id, rail_id in (("one", "t"), ("two", "t"), ("three", "u"), ("four", "u")):
        named = donation_request(a_gift(external_id), rail="alipay", rail_id=rail_id)
        await weibo.RecordDonation(named, timeout=5)
    found = {(one.external_id, one.reason): one.claim for one in await conflicts(finance)}
    [taken] = [key for key in found if key[1] == errors_pb2.ERROR_REASON_RAIL_TAKEN]
    mismatches = [key for key in found if key[1] == errors_pb2.ERROR_REASON_RAIL_MISMATCH]
    assert {external_id for external_id, _ in mismatches} == {"one", "two"}
    assert len(found) == 3
    assert {found[key].rail_id for key in mismatches} == {"t"}
    assert (found[taken].rail, found[taken].rail_id) == ("alipay", "u")
    assert not found[taken].HasField("amount")
    assert {found[key].amount.micros for key in mismatches} == {other}
    assert not found[taken].HasField("event_time")


async def test_a_claim_of_a_gift_says_which_rail_it_names(weibo: Any, finance: Any) -> None:
    await weibo.RecordDonation(donation_request(GIFT, rail="alipay", rail_id="t"), timeout=5)
    again = donation_request(GIFT, rail="alipay", rail_id="u")
    await fault_of(weibo.RecordDonation(again, timeout=5))
    [found] = await conflicts(finance)
    assert found.reason == errors_pb2.ERROR_REASON_DONATION_CONFLICT
    assert (found.claim.rail, found.claim.rail_id) == ("alipay", "u")
    assert (found.gift.rail, found.gift.rail_id) == ("alipay", "t")
