"""Conflicts and quarantine, over mutual TLS: listed, read, and read again."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import review_service_pb2 as pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.donations.v1.pledge_service_pb2_grpc import PledgeServiceStub
from watersmeet.donations.v1.review_service_pb2_grpc import ReviewServiceStub
from watersmeet.errors.v1 import errors_pb2
from watersmeet.type.v1 import money_pb2

from services.donations.platforms.protocol import Notice
from services.donations.settings import Settings
from services.runtime.errors import Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.conftest import Connect, channel_to, eventually, serving
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.messages import (
    donation_request,
    refund_request,
    request_id,
    stamp,
)
from tests.integration.donations.pledge_messages import create, draft, order, record
from tests.integration.donations.test_intake_service import fault_of
from tests.integration.donations.test_notifications import GIFT, request
from tests.support.clock import FixedClock
from tests.support.identities import Certificates
from tests.unit.donations.gifts import a_gift, a_refund
from tests.unit.donations.platforms import senders
from tests.unit.donations.platforms.senders import TencentSender
from tests.unit.donations.pledges.pledging import a_pledge

SENDER = TencentSender()


@pytest.fixture
def platforms_file(tmp_path: Path, clock: FixedClock) -> Path:
    """WeChat Pay alone, at the senders' time."""
    clock.set(senders.NOW)
    file = tmp_path / "platforms.toml"
    file.write_text(SENDER.configure(tmp_path))
    return file


@pytest.fixture
def configured(platforms_file: Path) -> str:
    """What platforms.toml says with every key; in the file a key is missing."""
    text = platforms_file.read_text()
    platforms_file.write_text(text.replace(senders.SERIAL, "PUB_KEY_ID_0002"))
    return text


@pytest.fixture
def gateway(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("service", "gateway"))


@pytest.fixture
def weibo(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("partner", "weibo"))


@pytest.fixture
def finance(connect: Connect) -> Any:
    return ReviewServiceStub(connect("finance", "local"))


def cny(micros: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code="CNY", micros=micros)


async def refused(gateway: Any, notice: Notice) -> Reason:
    return (
        await fault_of(gateway.AcceptNotification(request("tencent", notice), timeout=5))
    ).reason


async def quarantined(finance: Any, **filters: Any) -> list[pb.QuarantinedNotice]:
    answer = await finance.ListQuarantine(pb.ListQuarantineRequest(**filters), timeout=5)
    return list(answer.notices)


async def replayed(finance: Any, notice: str, call_id: str = "") -> pb.Replay:
    wanted = pb.ReplayQuarantineRequest(request_id=call_id or request_id(), id=notice)
    replay: pb.Replay = (await finance.ReplayQuarantine(wanted, timeout=5)).replay
    return replay


# Conflicts.


async def test_a_claim_stands_beside_what_it_contradicts(
    weibo: Any, finance: Any, clock: FixedClock
) -> None:
    gift, refund = a_gift(campaign="week"), a_refund()
    await weibo.RecordDonation(donation_request(gift, donor_reference="d"), timeout=5)
    await weibo.RecordRefund(refund_request(refund), timeout=5)
    recorded = clock()
    clock.advance(60)
    dollars = money_pb2.Money(currency_code="USD", micros=9)
    for report, claim in (
        (weibo.RecordDonation, donation_request(gift, amount=cny(7), donor_reference="e")),
        (weibo.RecordRefund, refund_request(refund, amount=cny(8))),
        (weibo.RecordRefund, refund_request(replace(refund, refund_id="r2"), amount=dollars)),
    ):
        await fault_of(report(claim, timeout=5))
        clock.advance(60)
    answer = await finance.ListConflicts(pb.ListConflictsRequest(partner="weibo"), timeout=5)
    in_dollars, of_refund, of_gift = answer.conflicts
    standing = pb.ReportedContent(
        amount=cny(gift.amount_micros),
        project="water",
        campaign="week",
        event_time=stamp(gift.event_time_micros),
    )
    assert of_gift.claim == pb.ReportedContent(
        amount=cny(7), project="water", campaign="week", event_time=stamp(gift.event_time_micros)
    )
    assert of_gift.gift == of_refund.gift == in_dollars.gift == standing
    assert (of_gift.partner, of_gift.external_id, of_gift.refund_id) == (
        "weibo",
        gift.external_id,
        "",
    )
    assert of_gift.reason == errors_pb2.ERROR_REASON_DONATION_CONFLICT
    assert of_gift.donor_differs
    assert not of_gift.HasField("refund")
    assert of_refund.refund.amount == cny(refund.amount_micros)
    assert (of_refund.claim.amount, of_refund.refund_id) == (cny(8), refund.refund_id)
    assert of_refund.recorded_time.ToDatetime(UTC) == recorded
    assert not of_refund.donor_differs
    assert in_dollars.reason == errors_pb2.ERROR_REASON_CURRENCY_MISMATCH
    # It is recorded, so that the order of a gift and its refunds does not matter, and not booked.
    assert in_dollars.refund == in_dollars.claim


async def test_claims_of_suspended_gifts_say_what_was_reported(weibo: Any, finance: Any) -> None:
    gift = a_gift(project="unheard-of", campaign="unknown")
    await weibo.RecordDonation(donation_request(gift), timeout=5)
    await fault_of(weibo.RecordDonation(donation_request(gift, amount=cny(7)), timeout=5))
    [found] = (await finance.ListConflicts(pb.ListConflictsRequest(), timeout=5)).conflicts
    assert (found.gift.project, found.gift.campaign) == ("unheard-of", "unknown")
    assert not found.donor_differs


async def test_a_claim_of_an_order_stands_beside_the_order(connect: Connect, finance: Any) -> None:
    pledges: Any = PledgeServiceStub(connect("partner", "weibo"))
    await pledges.CreatePledges(create(draft(a_pledge())), timeout=5)
    first, second = 100_000_000, 200_000_000
    for paid in (first, second):
        one = order(paid_micros=paid, shopper_reference=str(paid))
        await pledges.RecordOrders(record(one), timeout=5)
    [found] = (await finance.ListConflicts(pb.ListConflictsRequest(), timeout=5)).conflicts
    assert (found.external_id, found.reason) == ("A1", errors_pb2.ERROR_REASON_ORDER_CONFLICT)
    assert (found.order.paid, found.claim.paid) == (cny(first), cny(second))
    assert (found.order.pledge, found.claim.pledge) == ("spring", "spring")
    assert 0 < found.order.amount.micros < found.claim.amount.micros < first
    assert found.donor_differs
    assert not found.HasField("gift")
    assert not found.HasField("recorded_time")


async def test_claims_come_in_pages_newest_first_of_one_partner_within_a_time(
    connect: Connect, weibo: Any, finance: Any, clock: FixedClock
) -> None:
    start = clock()
    xiaomi: Any = DonationIntakeServiceStub(connect("partner", "xiaomi"))
    for number in range(7):
        gift = a_gift(f"g{number}")
        for partner in (weibo, xiaomi):
            await partner.RecordDonation(donation_request(gift), timeout=5)
            await fault_of(partner.RecordDonation(donation_request(gift, amount=cny(7)), timeout=5))
        clock.advance(60)

    async def pages(stub: Any, **filters: Any) -> list[tuple[str, str]]:
        seen, token = [], ""
        while True:
            wanted = pb.ListConflictsRequest(page_size=3, page_token=token, **filters)
            page = await stub.ListConflicts(wanted, timeout=5)
            assert len(page.conflicts) <= 3
            seen += [(one.partner, one.external_id) for one in page.conflicts]
            token = page.next_page_token
            if not token:
                return seen
            other = pb.ListConflictsRequest(page_token=token, end_time=stamp(1))
            fault = await fault_of(stub.ListConflicts(other, timeout=5))
            assert fault.reason is Reason.PAGE_TOKEN_INVALID

    newest_first = [f"g{number}" for number in reversed(range(7))]
    everything = await pages(finance)
    assert len(set(everything)) == len(everything) == 14
    assert [gift for _, gift in everything] == [gift for gift in newest_first for _ in range(2)]
    assert await pages(finance, partner="xiaomi") == [("xiaomi", gift) for gift in newest_first]
    window = {
        "start_time": moment(start + timedelta(minutes=2)),
        "end_time": moment(start + timedelta(minutes=4)),
    }
    assert await pages(finance, partner="weibo", **window) == [("weibo", "g3"), ("weibo", "g2")]
    assert await pages(finance, partner="nobody") == []
    # A partner sees its own, whatever it asks for.
    own: Any = ReviewServiceStub(connect("partner", "weibo"))
    assert await pages(own) == [("weibo", gift) for gift in newest_first]
    asked = pb.ListConflictsRequest(partner="xiaomi")
    assert (await fault_of(own.ListConflicts(asked, timeout=5))).reason is Reason.PARTNER_MISMATCH
    backwards = pb.ListConflictsRequest(start_time=window["end_time"], end_time=stamp(1))
    fault = await fault_of(finance.ListConflicts(backwards, timeout=5))
    assert fault.reason is Reason.FIELD_INVALID


def moment(time: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(time)
    return found


# Quarantine.


async def test_a_forged_notice_stays_refused_however_often_it_is_replayed(
    gateway: Any, finance: Any, ledger: LedgerProcess
) -> None:
    forged = SENDER.forged(SENDER.payment(GIFT))
    assert await refused(gateway, forged) is Reason.SIGNATURE_INVALID
    [notice] = await quarantined(finance)
    call_id = request_id()
    for name in (call_id, call_id, request_id()):
        replay = await replayed(finance, notice.id, name)
        assert replay.problem.reason == errors_pb2.ERROR_REASON_SIGNATURE_INVALID
        assert list(replay.outcomes) == []
    [notice] = await quarantined(finance)
    assert (notice.resolved, notice.replays) == (False, 2)
    assert ledger.ledger.entries == {}


async def test_a_notice_whose_key_was_missing_counts_once_after_it_is_configured(
    configured: str,
    settings: Settings,
    clock: FixedClock,
    ledger: LedgerProcess,
    certificates: Certificates,
) -> None:
    received = clock()
    async with serving(settings, clock) as server:
        async with channel_to(server, certificates, "service", "gateway") as channel:
            gateway: Any = DonationIntakeServiceStub(channel)
            assert await refused(gateway, SENDER.payment(GIFT)) is Reason.SIGNATURE_INVALID
        async with channel_to(server, certificates, "finance", "local") as channel:
            finance: Any = ReviewServiceStub(channel)
            [notice] = await quarantined(finance)
            assert (await replayed(finance, notice.id)).HasField("problem")

    assert settings.platforms_file is not None
    await asyncio.to_thread(settings.platforms_file.write_text, configured)
    clock.advance(timedelta(days=3))  # long after the signature grew stale
    async with serving(settings, clock) as server:
        async with channel_to(server, certificates, "finance", "local") as channel:
            finance = ReviewServiceStub(channel)
            call_id = request_id()
            first = await replayed(finance, notice.id, call_id)
            assert list(first.outcomes) == [intake_pb.OUTCOME_ACCEPTED]
            assert await replayed(finance, notice.id, call_id) == first
            again = await replayed(finance, notice.id)
            assert list(again.outcomes) == [intake_pb.OUTCOME_REPLAYED]
            assert await quarantined(finance) == []
            [notice] = await quarantined(finance, include_resolved=True)
            assert (notice.resolved, notice.replays) == (True, 3)
            wanted = pb.GetQuarantinedRequest(id=notice.id)
            whole = await finance.GetQuarantined(wanted, timeout=5)
            assert [replay.HasField("problem") for replay in whole.replays] == [True, False, False]
            assert whole.notice.received_time.ToDatetime(UTC) == received
            assert {replay.caller for replay in whole.replays} == {"finance/local"}
        await eventually(lambda: bool(ledger.ledger.entries))
    assert ledger.ledger.micros() == {
        ("partner/tencent/claimed", "project/water/fund"): GIFT.fen * 10_000
    }


async def test_a_replay_whose_answer_was_lost_is_the_same_replay(
    gateway: Any, finance: Any, urls: DatabaseUrls
) -> None:
    await refused(gateway, SENDER.forged(SENDER.payment(GIFT)))
    [notice] = await quarantined(finance)
    call_id = request_id()
    first = await replayed(finance, notice.id, call_id)
    assert await replayed(finance, notice.id, call_id) == first
    with psycopg.connect(urls.owner) as connection:
        rows = connection.execute("SELECT count(*) FROM quarantine_replays").fetchall()
    assert rows == [(1,)]


async def test_a_notice_is_shown_whole_to_finance_alone(
    connect: Connect, gateway: Any, finance: Any
) -> None:
    forged = replace(SENDER.forged(SENDER.payment(GIFT)), query="a=1&b=2")
    await refused(gateway, forged)
    [notice] = await quarantined(finance, platform="tencent")
    assert notice.body_bytes == len(forged.body)
    whole = await finance.GetQuarantined(pb.GetQuarantinedRequest(id=notice.id), timeout=5)
    assert (whole.http_method, whole.query, whole.body) == ("POST", "a=1&b=2", forged.body)
    assert {header.name: header.value for header in whole.headers} == dict(forged.headers)
    operator: Any = ReviewServiceStub(connect("operator", "local"))
    assert await quarantined(operator) == [notice]
    partner: Any = ReviewServiceStub(connect("partner", "tencent"))
    replay = pb.ReplayQuarantineRequest(request_id=request_id(), id=notice.id)
    for call in (
        operator.GetQuarantined(pb.GetQuarantinedRequest(id=notice.id), timeout=5),
        operator.ReplayQuarantine(replay, timeout=5),
        partner.ListQuarantine(pb.ListQuarantineRequest(), timeout=5),
        partner.GetQuarantined(pb.GetQuarantinedRequest(id=notice.id), timeout=5),
    ):
        assert (await fault_of(call)).reason is Reason.PERMISSION_DENIED


async def test_quarantine_comes_in_pages_newest_first_of_one_platform_within_a_time(
    gateway: Any, finance: Any, clock: FixedClock
) -> None:
    start = clock()
    for number in range(5):
        await refused(
            gateway, SENDER.forged(SENDER.payment(replace(GIFT, external_id=f"{number}")))
        )
        clock.advance(1)
    everything = await quarantined(finance)
    times = [notice.received_time.ToDatetime(UTC) for notice in everything]
    assert times == [start + timedelta(seconds=number) for number in (4, 3, 2, 1, 0)]
    seen, token = [], ""
    while not seen or token:
        wanted = pb.ListQuarantineRequest(page_size=2, page_token=token)
        page = await finance.ListQuarantine(wanted, timeout=5)
        seen += list(page.notices)
        token = page.next_page_token
    assert seen == everything
    bounds = {"start_time": moment(times[3]), "end_time": moment(times[1])}
    assert await quarantined(finance, platform="tencent", **bounds) == everything[2:4]
    assert await quarantined(finance, platform="alipay") == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", Reason.FIELD_REQUIRED),
        ("xyz", Reason.FIELD_INVALID),
        ("A" * 64, Reason.FIELD_INVALID),
        ("0" * 64, Reason.NOTICE_NOT_FOUND),
    ],
)
async def test_a_notice_that_is_not_there(finance: Any, name: str, reason: Reason) -> None:
    wanted = pb.GetQuarantinedRequest(id=name)
    assert (await fault_of(finance.GetQuarantined(wanted, timeout=5))).reason is reason
    replay = pb.ReplayQuarantineRequest(request_id=request_id(), id=name)
    assert (await fault_of(finance.ReplayQuarantine(replay, timeout=5))).reason is reason
