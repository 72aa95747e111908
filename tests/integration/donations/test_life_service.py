"""Disputes, stages and reports, over mutual TLS."""

from typing import Any

import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import life_service_pb2 as pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.donations.v1.life_service_pb2_grpc import LifeServiceStub
from watersmeet.type.v1 import money_pb2

from services.donations.domain import Rail
from services.runtime.errors import Reason
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.messages import donation_request, refund_request, request_id, stamp
from tests.integration.donations.test_intake_service import fault_of
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund

AMOUNT = a_gift().amount_micros
SETTLED, RECEIVED, SPENT = (
    intake_pb.DONATION_STATE_SETTLED,
    intake_pb.DONATION_STATE_RECEIVED,
    intake_pb.DONATION_STATE_SPENT,
)


def a_dispute(outcome: Any, micros: int = AMOUNT, **changes: Any) -> pb.RecordDisputeRequest:
    fields: dict[str, Any] = {
        "request_id": request_id(),
        "external_id": a_gift().external_id,
        "dispute_id": "d1",
        "status": outcome,
        "amount": money_pb2.Money(currency_code="CNY", micros=micros),
        "event_time": stamp(NOW_MICROS),
    }
    return pb.RecordDisputeRequest(**(fields | changes))


def stages(*found: Any, external_id: str = a_gift().external_id) -> pb.RecordStagesRequest:
    return pb.RecordStagesRequest(
        request_id=request_id(),
        events=[
            pb.StageEvent(
                partner="weibo",
                external_id=external_id,
                stage=stage,
                event_id=f"line-{stage}",
                event_time=stamp(NOW_MICROS),
            )
            for stage in found
        ],
    )


@pytest.fixture
def weibo(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("partner", "weibo"))


@pytest.fixture
def life(connect: Connect) -> Any:
    return LifeServiceStub(connect("partner", "weibo"))


@pytest.fixture
def finance(connect: Connect) -> Any:
    return LifeServiceStub(connect("finance", "local"))


async def donation(weibo: Any, external_id: str = a_gift().external_id) -> Any:
    found = await weibo.GetDonation(pb_get(external_id), timeout=5)
    return found.donation


def pb_get(external_id: str) -> intake_pb.GetDonationRequest:
    return intake_pb.GetDonationRequest(external_id=external_id)


async def test_a_gift_goes_all_its_way(weibo: Any, finance: Any, ledger: LedgerProcess) -> None:
    await weibo.RecordDonation(donation_request(a_gift()), timeout=5)
    answer = await finance.RecordStages(stages(RECEIVED, SETTLED, SPENT), timeout=5)
    assert [result.outcome for result in answer.results] == [intake_pb.OUTCOME_ACCEPTED] * 3
    again = await finance.RecordStages(stages(RECEIVED), timeout=5)
    assert again.results[0].outcome == intake_pb.OUTCOME_REPLAYED
    found = await donation(weibo)
    assert found.state == SPENT
    assert [event.amount.micros for event in found.events] == [AMOUNT] * 3
    moved = {
        ("partner/weibo/claimed", "project/water/fund"): AMOUNT,
        ("partner/weibo/settled", "partner/weibo/claimed"): AMOUNT,
        ("charity/aid/bank", "partner/weibo/settled"): AMOUNT,
        ("project/water/fund", "partner/weibo/spent"): AMOUNT,
        ("partner/weibo/spent", "charity/aid/bank"): AMOUNT,
    }
    await eventually(lambda: ledger.ledger.micros() == moved)


async def test_a_refund_of_a_received_gift_goes_back_over_the_bill(
    weibo: Any, finance: Any, ledger: LedgerProcess
) -> None:
    await weibo.RecordDonation(donation_request(a_gift()), timeout=5)
    await finance.RecordStages(stages(SETTLED, RECEIVED), timeout=5)
    refund = a_refund(amount_micros=AMOUNT)
    await weibo.RecordRefund(refund_request(refund), timeout=5)
    assert (await donation(weibo)).state == intake_pb.DONATION_STATE_REFUNDED
    held: dict[str, int] = {}

    def is_empty() -> bool:
        held.clear()
        for (debit, credit), micros in ledger.ledger.micros().items():
            held[debit] = held.get(debit, 0) + micros
            held[credit] = held.get(credit, 0) - micros
        return len(held) == 4 and not any(held.values())

    await eventually(is_empty)


async def test_a_dispute_is_opened_and_won(weibo: Any, life: Any) -> None:
    early = await life.RecordDispute(a_dispute(intake_pb.DISPUTE_STATUS_OPENED), timeout=5)
    assert early.outcome == intake_pb.OUTCOME_WAITING
    await weibo.RecordDonation(donation_request(a_gift()), timeout=5)

    async def state() -> Any:
        return (await donation(weibo)).state

    for _ in range(100):
        if await state() == intake_pb.DONATION_STATE_DISPUTED:
            break
    assert await state() == intake_pb.DONATION_STATE_DISPUTED
    won = await life.RecordDispute(a_dispute(intake_pb.DISPUTE_STATUS_WON), timeout=5)
    assert won.outcome == intake_pb.OUTCOME_ACCEPTED
    found = await donation(weibo)
    assert found.state == intake_pb.DONATION_STATE_CLAIMED
    assert [dispute.status for dispute in found.disputes] == [
        intake_pb.DISPUTE_STATUS_OPENED,
        intake_pb.DISPUTE_STATUS_WON,
    ]


async def test_a_lost_dispute_is_a_refund(weibo: Any, life: Any) -> None:
    await weibo.RecordDonation(donation_request(a_gift()), timeout=5)
    await life.RecordDispute(a_dispute(intake_pb.DISPUTE_STATUS_LOST, 1_000_000), timeout=5)
    found = await donation(weibo)
    assert (found.state, found.refunded.micros) == (intake_pb.DONATION_STATE_CLAIMED, 1_000_000)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": 0}, Reason.FIELD_REQUIRED),
        ({"dispute_id": ""}, Reason.FIELD_REQUIRED),
        ({"dispute_id": "a b"}, Reason.FIELD_INVALID),
        ({"external_id": ""}, Reason.FIELD_REQUIRED),
        ({"amount": None}, Reason.FIELD_REQUIRED),
        ({"partner": "alipay"}, Reason.PARTNER_MISMATCH),
    ],
)
async def test_what_is_no_dispute(life: Any, changes: dict[str, Any], reason: Reason) -> None:
    request = a_dispute(intake_pb.DISPUTE_STATUS_OPENED, **changes)
    assert (await fault_of(life.RecordDispute(request, timeout=5))).reason is reason


async def test_other_content_is_a_claim(weibo: Any, life: Any, finance: Any) -> None:
    await weibo.RecordDonation(donation_request(a_gift()), timeout=5)
    opened = intake_pb.DISPUTE_STATUS_OPENED
    await life.RecordDispute(a_dispute(opened), timeout=5)
    fault = await fault_of(life.RecordDispute(a_dispute(opened, 1), timeout=5))
    assert fault.reason is Reason.DISPUTE_CONFLICT
    await finance.RecordStages(stages(SETTLED), timeout=5)
    other = stages(RECEIVED)
    other.events[0].event_id = f"line-{SETTLED}"
    [result] = (await finance.RecordStages(other, timeout=5)).results
    assert result.outcome == intake_pb.OUTCOME_CONFLICTING
    assert result.problem.message


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"partner": "nobody"}, Reason.FIELD_INVALID),
        ({"partner": ""}, Reason.FIELD_REQUIRED),
        ({"event_id": ""}, Reason.FIELD_REQUIRED),
        ({"stage": intake_pb.DONATION_STATE_REFUNDED}, Reason.FIELD_INVALID),
    ],
)
async def test_what_is_no_stage(finance: Any, edit: dict[str, Any], reason: Reason) -> None:
    request = stages(SETTLED)
    for field, value in edit.items():
        setattr(request.events[0], field, value)
    assert (await fault_of(finance.RecordStages(request, timeout=5))).reason is reason
    empty = pb.RecordStagesRequest(request_id=request_id())
    fault = await fault_of(finance.RecordStages(empty, timeout=5))
    assert fault.reason is Reason.BATCH_SIZE_INVALID


async def test_reports_say_what_gift_they_belong_to(connect: Connect, weibo: Any) -> None:
    gift = a_gift(rail=Rail("tencent", "4200"))
    request = donation_request(gift, rail="tencent", rail_id="4200")
    await weibo.RecordDonation(request, timeout=5)
    tencent = DonationIntakeServiceStub(connect("partner", "tencent"))
    for external_id in ("4200", "4201", "4202"):
        other = a_gift(external_id, partner="tencent")
        await tencent.RecordDonation(donation_request(other), timeout=5)
    reader = LifeServiceStub(connect("partner", "tencent"))
    found: dict[str, Any] = {}
    token = ""
    while True:
        page = await reader.ListReports(
            pb.ListReportsRequest(page_size=2, page_token=token), timeout=5
        )
        found |= {report.external_id: report for report in page.reports}
        token = page.next_page_token
        if not token:
            break
    assert {external_id: report.counts for external_id, report in found.items()} == {
        "4200": False,
        "4201": True,
        "4202": True,
    }
    assert (found["4200"].gift_partner, found["4200"].gift_external_id) == (
        "weibo",
        gift.external_id,
    )
    theirs = pb.ListReportsRequest(partner="weibo")
    assert (await fault_of(reader.ListReports(theirs, timeout=5))).reason is Reason.PARTNER_MISMATCH


@pytest.mark.parametrize(("rail", "rail_id"), [("tencent", ""), ("", "1"), ("xiaomi", "1")])
async def test_a_rail_is_named_with_its_id(weibo: Any, rail: str, rail_id: str) -> None:
    request = donation_request(a_gift(), rail=rail, rail_id=rail_id)
    fault = await fault_of(weibo.RecordDonation(request, timeout=5))
    assert (fault.reason, fault.metadata["field"]) == (Reason.FIELD_INVALID, "rail")
