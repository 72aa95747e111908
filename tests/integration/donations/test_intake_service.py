"""Gifts and refunds one by one, over mutual TLS."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.type.v1 import money_pb2

from services.donations.gifts.validation import AMOUNT_MICROS_MAX
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.messages import donation_request, refund_request, stamp
from tests.support.clock import FixedClock
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund


@pytest.fixture
def weibo(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("partner", "weibo"))


async def fault_of(call: Awaitable[Any]) -> Fault:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return fault_from_rpc_error(raised.value)


def without_its_life(donation: pb.Donation) -> pb.Donation:
    """What lists and answers tell of a gift that nothing has happened to."""
    [report] = donation.reports
    assert (report.partner, report.external_id) == (donation.partner, donation.external_id)
    assert (report.gift_partner, report.counts) == (donation.partner, True)
    donation.ClearField("reports")
    return donation


async def test_a_gift_is_recorded_once_and_found_again(weibo: Any, clock: FixedClock) -> None:
    gift = a_gift(campaign="week")
    first = await weibo.RecordDonation(donation_request(gift), timeout=5)
    assert first.outcome == pb.OUTCOME_ACCEPTED
    assert first.donation == pb.Donation(
        partner="weibo",
        external_id=gift.external_id,
        project="water",
        campaign="week",
        amount=money_pb2.Money(currency_code="CNY", micros=1_230_000),
        refunded=money_pb2.Money(currency_code="CNY"),
        event_time=stamp(gift.event_time_micros),
        recorded_time=stamp(NOW_MICROS),
        state=pb.DONATION_STATE_CLAIMED,
        batch_id=first.donation.batch_id,
        suspended=False,
    )
    clock.advance(timedelta(minutes=5))
    again = await weibo.RecordDonation(donation_request(gift), timeout=5)
    assert again.outcome == pb.OUTCOME_REPLAYED
    assert again.donation == first.donation
    found = await weibo.GetDonation(pb.GetDonationRequest(external_id=gift.external_id), timeout=5)
    assert without_its_life(found.donation) == first.donation


async def test_other_content_is_a_conflict_and_the_first_report_stands(weibo: Any) -> None:
    gift = a_gift()
    first = await weibo.RecordDonation(donation_request(gift), timeout=5)
    for changes in (
        {"amount": money_pb2.Money(currency_code="CNY", micros=1)},
        {"amount": money_pb2.Money(currency_code="USD", micros=gift.amount_micros)},
        {"project": "books"},
        {"campaign": "week"},
        {"event_time": stamp(gift.event_time_micros + 1)},
        {"donor_reference": "someone"},
    ):
        fault = await fault_of(weibo.RecordDonation(donation_request(gift, **changes), timeout=5))
        assert fault.reason is Reason.DONATION_CONFLICT
    found = await weibo.GetDonation(pb.GetDonationRequest(external_id=gift.external_id), timeout=5)
    assert without_its_life(found.donation) == first.donation


@pytest.mark.parametrize(
    "gift",
    [
        a_gift(project="unheard-of"),
        a_gift(project="closed"),
        a_gift(campaign="past"),
        a_gift(campaign="unknown"),
    ],
)
async def test_what_cannot_be_attributed_stands_in_suspense(
    weibo: Any, ledger: LedgerProcess, gift: Any
) -> None:
    answer = await weibo.RecordDonation(donation_request(gift), timeout=5)
    assert answer.outcome == pb.OUTCOME_SUSPENDED
    assert answer.donation.suspended
    assert (answer.donation.project, answer.donation.campaign) == (gift.project, gift.campaign)
    found = await weibo.GetDonation(pb.GetDonationRequest(external_id=gift.external_id), timeout=5)
    assert without_its_life(found.donation) == answer.donation
    await eventually(lambda: bool(ledger.ledger.entries))
    assert ledger.ledger.micros() == {
        ("partner/weibo/claimed", "partner/weibo/suspense"): gift.amount_micros
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request_id": ""}, Reason.REQUEST_ID_INVALID),
        ({"partner": "xiaomi"}, Reason.PARTNER_MISMATCH),
        ({"external_id": ""}, Reason.FIELD_REQUIRED),
        ({"external_id": "a b"}, Reason.FIELD_INVALID),
        ({"project": ""}, Reason.FIELD_REQUIRED),
        ({"amount": None}, Reason.FIELD_REQUIRED),
        ({"event_time": None}, Reason.FIELD_REQUIRED),
        ({"amount": money_pb2.Money(currency_code="CNY", micros=0)}, Reason.AMOUNT_NOT_POSITIVE),
        ({"amount": money_pb2.Money(currency_code="CNY", micros=-1)}, Reason.AMOUNT_NOT_POSITIVE),
        (
            {"amount": money_pb2.Money(currency_code="CNY", micros=AMOUNT_MICROS_MAX + 1)},
            Reason.AMOUNT_OVER_LIMIT,
        ),
        ({"amount": money_pb2.Money(currency_code="RMB", micros=1)}, Reason.CURRENCY_UNKNOWN),
        ({"event_time": stamp(NOW_MICROS + 601_000_000)}, Reason.EVENT_TIME_IN_FUTURE),
        ({"event_time": stamp(-(10**17))}, Reason.FIELD_INVALID),
        ({"donor_reference": "x" * 129}, Reason.FIELD_INVALID),
    ],
)
async def test_bad_gifts_are_refused_and_change_nothing(
    weibo: Any, ledger: LedgerProcess, changes: dict[str, Any], reason: Reason
) -> None:
    fault = await fault_of(weibo.RecordDonation(donation_request(a_gift(), **changes), timeout=5))
    assert fault.reason is reason
    assert (await weibo.ListDonations(pb.ListDonationsRequest(), timeout=5)).donations == []
    assert ledger.ledger.entries == {}


async def test_a_refund_is_booked_and_shown(weibo: Any, ledger: LedgerProcess) -> None:
    gift, part, rest = (
        a_gift(),
        a_refund(),
        a_refund("r2", amount_micros=1_100_000, event_time_micros=NOW_MICROS),
    )
    await weibo.RecordDonation(donation_request(gift), timeout=5)
    answer = await weibo.RecordRefund(refund_request(part), timeout=5)
    assert answer.outcome == pb.OUTCOME_ACCEPTED
    assert answer.refund.batch_id
    again = await weibo.RecordRefund(refund_request(part), timeout=5)
    assert (again.outcome, again.refund) == (pb.OUTCOME_REPLAYED, answer.refund)
    await weibo.RecordRefund(refund_request(rest), timeout=5)

    found = await weibo.GetDonation(pb.GetDonationRequest(external_id=gift.external_id), timeout=5)
    assert found.donation.refunded.micros == gift.amount_micros
    assert found.donation.state == pb.DONATION_STATE_REFUNDED
    assert [refund.refund_id for refund in found.donation.refunds] == ["r1", "r2"]
    await eventually(lambda: len(ledger.ledger.entries) == 3)
    assert ledger.ledger.micros() == {
        ("partner/weibo/claimed", "project/water/fund"): 1_230_000,
        ("project/water/fund", "partner/weibo/claimed"): 1_230_000,
        ("partner/weibo/suspense", "partner/weibo/claimed"): 100_000,
    }


async def test_a_refund_before_its_gift_waits_and_is_booked_soon_after_it(
    weibo: Any, ledger: LedgerProcess
) -> None:
    answer = await weibo.RecordRefund(refund_request(a_refund()), timeout=5)
    assert (answer.outcome, answer.refund.batch_id) == (pb.OUTCOME_WAITING, "")
    await weibo.RecordDonation(donation_request(a_gift()), timeout=5)
    await eventually(lambda: len(ledger.ledger.entries) == 2)
    assert ledger.ledger.micros()["project/water/fund", "partner/weibo/claimed"] == 230_000
    again = await weibo.RecordRefund(refund_request(a_refund()), timeout=5)
    assert again.outcome == pb.OUTCOME_REPLAYED
    assert again.refund.batch_id in ledger.ledger.entries


async def test_a_refund_that_does_not_fit_is_refused(weibo: Any) -> None:
    await weibo.RecordDonation(donation_request(a_gift()), timeout=5)
    await weibo.RecordRefund(refund_request(a_refund()), timeout=5)
    other = refund_request(a_refund(amount_micros=1))
    assert (await fault_of(weibo.RecordRefund(other, timeout=5))).reason is Reason.REFUND_CONFLICT
    dollars = refund_request(a_refund("r2", currency="USD"))
    fault = await fault_of(weibo.RecordRefund(dollars, timeout=5))
    assert fault.reason is Reason.CURRENCY_MISMATCH
    nothing = refund_request(a_refund("r3", amount_micros=0))
    fault = await fault_of(weibo.RecordRefund(nothing, timeout=5))
    assert fault.reason is Reason.AMOUNT_NOT_POSITIVE


async def test_partners_see_only_their_own(connect: Connect, weibo: Any) -> None:
    await weibo.RecordDonation(donation_request(a_gift()), timeout=5)
    xiaomi = DonationIntakeServiceStub(connect("partner", "xiaomi"))
    wanted = pb.GetDonationRequest(external_id=a_gift().external_id)
    fault = await fault_of(xiaomi.GetDonation(wanted, timeout=5))
    assert fault.reason is Reason.DONATION_NOT_FOUND
    wanted.partner = "weibo"
    fault = await fault_of(xiaomi.GetDonation(wanted, timeout=5))
    assert fault.reason is Reason.PARTNER_MISMATCH
    finance = DonationIntakeServiceStub(connect("finance", "local"))
    assert (await finance.GetDonation(wanted, timeout=5)).donation.partner == "weibo"
    wanted.partner = ""
    assert (await fault_of(finance.GetDonation(wanted, timeout=5))).reason is Reason.FIELD_REQUIRED
    # The same id at another partner is another gift.
    answer = await xiaomi.RecordDonation(donation_request(a_gift()), timeout=5)
    assert answer.outcome == pb.OUTCOME_ACCEPTED


async def test_gifts_come_in_pages(weibo: Any) -> None:
    gifts = [a_gift(f"g{number}") for number in range(25)]
    await asyncio.gather(
        *(weibo.RecordDonation(donation_request(gift), timeout=5) for gift in gifts)
    )
    seen, token = [], ""
    while True:
        page = await weibo.ListDonations(
            pb.ListDonationsRequest(page_size=10, page_token=token), timeout=5
        )
        seen += [donation.external_id for donation in page.donations]
        token = page.next_page_token
        if not token:
            break
        foreign = pb.ListDonationsRequest(page_token=token[:-2] + "AA")
        fault = await fault_of(weibo.ListDonations(foreign, timeout=5))
        assert fault.reason is Reason.PAGE_TOKEN_INVALID
    assert len(seen) == len(set(seen)) == 25


async def test_many_at_once_share_their_commits(weibo: Any, ledger: LedgerProcess) -> None:
    gifts = [a_gift(f"g{number}") for number in range(200)]
    twice = [donation_request(gift) for gift in gifts for _ in range(2)]
    answers = await asyncio.gather(*(weibo.RecordDonation(one, timeout=10) for one in twice))
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(pb.OUTCOME_ACCEPTED) == outcomes.count(pb.OUTCOME_REPLAYED) == 200
    batches = {answer.donation.batch_id for answer in answers}
    assert len(batches) < 100
    await eventually(lambda: len(ledger.ledger.entries) == len(batches))
    assert ledger.ledger.micros() == {
        ("partner/weibo/claimed", "project/water/fund"): 200 * 1_230_000
    }


async def test_a_donor_is_kept_as_a_token_only(weibo: Any, urls: Any) -> None:
    import psycopg

    gift = replace(a_gift(), external_id="with-donor")
    request = donation_request(gift, donor_reference="CANARY-13812345678")
    await weibo.RecordDonation(request, timeout=5)
    await weibo.RecordDonation(request, timeout=5)
    with psycopg.connect(urls.owner) as connection:
        [token] = connection.execute("SELECT donor_token FROM donations").fetchone() or ()
        assert len(token) == 16
        assert b"CANARY" not in bytes(token)
