"""Many notices in one call, over mutual TLS, as the gateway forwards them."""

import uuid
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import notification_service_pb2 as pb
from watersmeet.donations.v1.notification_service_pb2_grpc import NotificationServiceStub
from watersmeet.errors.v1 import errors_pb2

from services.donations.platforms.protocol import Notice
from services.donations.wire.convert_notices import NOTICES_MAX
from services.runtime.errors import Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.test_intake_service import fault_of
from tests.integration.donations.test_notifications import FEN, GIFT, platforms_file
from tests.unit.donations.platforms.senders import AlipaySender, Refund, TencentSender

__all__ = ["platforms_file"]


@pytest.fixture
def gateway(connect: Connect) -> Any:
    return NotificationServiceStub(connect("service", "gateway"))


def notification(platform: str, notice: Notice) -> pb.Notification:
    return pb.Notification(
        platform=platform,
        request_id=str(uuid.uuid4()),
        http_method=notice.http_method,
        query=notice.query,
        header_names=list(notice.headers),
        header_values=list(notice.headers.values()),
        body=notice.body,
    )


def request(*notifications: pb.Notification) -> pb.AcceptNotificationsRequest:
    return pb.AcceptNotificationsRequest(request_id=str(uuid.uuid4()), notifications=notifications)


def said(result: pb.NotificationResult) -> tuple[str, list[int]] | str:
    """An acknowledgement's body and outcomes, or a refusal's reason."""
    if result.HasField("acknowledgement"):
        answer = result.acknowledgement
        assert answer.http_status == 200
        return answer.body.decode(), list(answer.outcomes)
    name = errors_pb2.ErrorReason.Name(result.refusal.problem.reason)
    return name.removeprefix("ERROR_REASON_")


async def test_each_notice_of_a_call_has_its_own_fate(
    gateway: Any, urls: DatabaseUrls, ledger: LedgerProcess
) -> None:
    alipay, tencent = AlipaySender(), TencentSender()
    forged = alipay.payment(replace(GIFT, external_id="forged"), key_name="somebody else")
    sent = {
        "payment": notification("tencent", tencent.payment(GIFT)),
        "again": notification("tencent", tencent.payment(GIFT)),
        "forged": notification("alipay", forged),
        "forged again": notification("alipay", forged),
        "unreadable": notification("tencent", Notice("POST", "", {}, b"\0")),
        "other platform": notification("alipay", alipay.payment(GIFT)),
        "conflict": notification("alipay", alipay.payment(replace(GIFT, fen=9999))),
        "refund": notification("tencent", tencent.refund(GIFT, Refund())),
        "nobody": notification("nobody", alipay.payment(GIFT)),
        "lost": notification(
            "tencent", tencent.payment(replace(GIFT, external_id="L", project=""))
        ),
    }
    response = await gateway.AcceptNotifications(request(*sent.values()), timeout=5)
    fates = dict(zip(sent, map(said, response.results), strict=True))
    success = '{"code":"SUCCESS"}'
    assert fates == {
        "payment": (success, [intake_pb.OUTCOME_ACCEPTED]),
        "again": (success, [intake_pb.OUTCOME_REPLAYED]),
        "forged": "SIGNATURE_INVALID",
        "forged again": "SIGNATURE_INVALID",
        "unreadable": "SIGNATURE_INVALID",
        "other platform": ("success", [intake_pb.OUTCOME_ACCEPTED]),
        "conflict": ("success", [intake_pb.OUTCOME_CONFLICTING]),
        "refund": (success, [intake_pb.OUTCOME_ACCEPTED]),
        "nobody": "PLATFORM_UNKNOWN",
        "lost": (success, [intake_pb.OUTCOME_SUSPENDED]),
    }
    with psycopg.connect(urls.owner) as connection:
        kept = connection.execute("SELECT body FROM quarantine").fetchall()
        claims = connection.execute("SELECT claim->>'amount_micros' FROM conflicts").fetchall()
    assert sorted(kept) == sorted([(forged.body,), (b"\0",)])
    assert claims == [(str(9999 * FEN),)]
    await eventually(lambda: bool(ledger.ledger.entries))


async def test_the_same_call_again_changes_nothing(gateway: Any, ledger: LedgerProcess) -> None:
    call = request(
        *(
            notification("tencent", TencentSender().payment(replace(GIFT, external_id=f"T{n}")))
            for n in range(NOTICES_MAX)
        )
    )
    outcomes = []
    for _ in range(2):
        response = await gateway.AcceptNotifications(call, timeout=10)
        outcomes.append({tuple(result.acknowledgement.outcomes) for result in response.results})
        assert len(response.results) == NOTICES_MAX
    assert outcomes == [{(intake_pb.OUTCOME_ACCEPTED,)}, {(intake_pb.OUTCOME_REPLAYED,)}]
    await eventually(lambda: bool(ledger.ledger.entries))
    assert sum(ledger.ledger.micros().values()) == NOTICES_MAX * 1234 * FEN


async def test_a_call_of_no_sense_is_refused_as_a_whole(gateway: Any) -> None:
    good = notification("tencent", TencentSender().payment(GIFT))
    uneven = notification("tencent", TencentSender().payment(GIFT))
    uneven.header_values.append("one more")
    for call, field in (
        (request(), "notifications"),
        (request(*[good] * (NOTICES_MAX + 1)), "notifications"),
        (request(good, uneven), "header_values"),
    ):
        fault = await fault_of(gateway.AcceptNotifications(call, timeout=5))
        assert (fault.reason, fault.metadata["field"]) == (Reason.FIELD_INVALID, field)
    unnamed = pb.AcceptNotificationsRequest(notifications=[good])
    fault = await fault_of(gateway.AcceptNotifications(unnamed, timeout=5))
    assert fault.reason is Reason.REQUEST_ID_INVALID
