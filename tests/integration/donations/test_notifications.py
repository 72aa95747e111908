"""Platforms' own notices, over mutual TLS, as the gateway forwards them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub

from services.donations.platforms.protocol import Notice
from services.runtime.errors import Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.test_intake_service import fault_of
from tests.support.clock import FixedClock
from tests.unit.donations.platforms import senders
from tests.unit.donations.platforms.senders import AlipaySender, Gift, Refund, TencentSender

GIFT = Gift(campaign="", project="water")
FEN = 10_000


@pytest.fixture
def platforms_file(tmp_path: Path, clock: FixedClock) -> Path:
    clock.set(senders.NOW)
    (tmp_path / "platform.pem").write_bytes(senders.public_pem("platform"))
    (tmp_path / "apiv3.key").write_bytes(senders.APIV3_KEY)
    file = tmp_path / "platforms.toml"
    file.write_text(
        f"""
        [alipay]
        app_id = "{senders.APP_ID}"
        seller_id = "{senders.SELLER_ID}"
        public_key_file = "platform.pem"
        [tencent]
        appid = "{senders.APPID}"
        mchid = "{senders.MCHID}"
        apiv3_key_file = "apiv3.key"
        [tencent.public_keys]
        "{senders.SERIAL}" = "platform.pem"
        """
    )
    return file


@pytest.fixture
def gateway(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("service", "gateway"))


def request(platform: str, notice: Notice) -> pb.AcceptNotificationRequest:
    return pb.AcceptNotificationRequest(
        platform=platform,
        http_method=notice.http_method,
        query=notice.query,
        headers=[pb.HttpHeader(name=name, value=value) for name, value in notice.headers.items()],
        body=notice.body,
    )


async def test_a_refund_before_its_payment_and_every_repeat_make_one_gift(
    gateway: Any, connect: Connect, ledger: LedgerProcess
) -> None:
    tencent = TencentSender()
    payment = request("tencent", tencent.payment(GIFT))
    refund = request("tencent", tencent.refund(GIFT, Refund()))
    outcomes = []
    for notice in (refund, payment, payment, refund):
        answer = await gateway.AcceptNotification(notice, timeout=5)
        assert (answer.http_status, answer.body) == (200, b'{"code":"SUCCESS"}')
        outcomes += answer.outcomes
    assert outcomes[:3] == [pb.OUTCOME_WAITING, pb.OUTCOME_ACCEPTED, pb.OUTCOME_REPLAYED]
    assert outcomes[3] == pb.OUTCOME_REPLAYED
    await eventually(lambda: len(ledger.ledger.entries) == 2)
    assert ledger.ledger.micros() == {
        ("partner/tencent/claimed", "project/water/fund"): 1234 * FEN,
        ("project/water/fund", "partner/tencent/claimed"): 234 * FEN,
    }
    finance: Any = DonationIntakeServiceStub(connect("finance", "local"))
    wanted = pb.GetDonationRequest(partner="tencent", external_id=GIFT.external_id)
    found = (await finance.GetDonation(wanted, timeout=5)).donation
    assert (found.amount.micros, found.refunded.micros) == (1234 * FEN, 234 * FEN)


async def test_running_totals_of_refunds_in_any_order_add_up_once(
    gateway: Any, ledger: LedgerProcess
) -> None:
    alipay = AlipaySender()
    part = Refund("A", 200, 200)
    rest = Refund("B", 1034, 1234)
    for notice in (alipay.refund(GIFT, rest), alipay.refund(GIFT, part), alipay.payment(GIFT)):
        answer = await gateway.AcceptNotification(request("alipay", notice), timeout=5)
        assert answer.body == b"success"
    await eventually(lambda: bool(ledger.ledger.entries))
    assert ledger.ledger.micros() == {
        ("partner/alipay/claimed", "project/water/fund"): 1234 * FEN,
        ("project/water/fund", "partner/alipay/claimed"): 1234 * FEN,
    }


async def test_a_conflict_in_a_genuine_notice_is_acknowledged_and_kept(
    gateway: Any, urls: DatabaseUrls
) -> None:
    alipay = AlipaySender()
    await gateway.AcceptNotification(request("alipay", alipay.payment(GIFT)), timeout=5)
    other = request("alipay", alipay.payment(replace(GIFT, fen=9999)))
    for _ in range(2):
        answer = await gateway.AcceptNotification(other, timeout=5)
        assert (answer.body, list(answer.outcomes)) == (b"success", [pb.OUTCOME_CONFLICTING])
    with psycopg.connect(urls.owner) as connection:
        [claim] = connection.execute("SELECT claim->>'amount_micros' FROM conflicts").fetchall()
    assert claim == (str(9999 * FEN),)


async def test_a_gift_without_a_project_stands_in_suspense(gateway: Any) -> None:
    lost = AlipaySender().payment(GIFT, edit=lambda fields: fields.pop("passback_params"))
    answer = await gateway.AcceptNotification(request("alipay", lost), timeout=5)
    assert list(answer.outcomes) == [pb.OUTCOME_SUSPENDED]


async def test_a_forged_notice_is_refused_and_kept_whole(
    gateway: Any, urls: DatabaseUrls, ledger: LedgerProcess
) -> None:
    forged = AlipaySender().payment(GIFT, key_name="somebody else")
    for _ in range(2):
        fault = await fault_of(gateway.AcceptNotification(request("alipay", forged), timeout=5))
        assert fault.reason is Reason.SIGNATURE_INVALID
    with psycopg.connect(urls.owner) as connection:
        rows = connection.execute(
            "SELECT platform, reason, http_method, headers, body FROM quarantine"
        ).fetchall()
    assert rows == [("alipay", "SIGNATURE_INVALID", "POST", dict(forged.headers), forged.body)]
    assert ledger.ledger.entries == {}


async def test_an_unknown_platform_is_told_so(gateway: Any) -> None:
    nobody = request("nobody", AlipaySender().payment(GIFT))
    fault = await fault_of(gateway.AcceptNotification(nobody, timeout=5))
    assert fault.reason is Reason.PLATFORM_UNKNOWN


async def test_a_header_that_no_database_holds_is_kept_even_so(
    gateway: Any, urls: DatabaseUrls
) -> None:
    strange = Notice("POST", "a=\0", {"x": "\0汇"}, b"\0\xff")
    fault = await fault_of(gateway.AcceptNotification(request("tencent", strange), timeout=5))
    assert fault.reason is Reason.SIGNATURE_INVALID
    with psycopg.connect(urls.owner) as connection:
        [(query, body)] = connection.execute("SELECT query, body FROM quarantine").fetchall()
    assert (query, body) == (b"a=\0", b"\0\xff")
