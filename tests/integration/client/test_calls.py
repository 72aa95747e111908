"""Single calls over mTLS: what they send, what they try again, and what they say when they fail."""

import asyncio
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from watersmeet.client import Client, Dispute, Gift, Refund, WatersmeetError, connect
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb

from .certificates import Authority, Pair
from .intake import Intake, Server

TIME = datetime(2026, 9, 5, 12, 0, tzinfo=UTC)
GIFT = Gift("A-1", "library", 12_340_000, "CNY", TIME, campaign="harvest", donor_reference="d")
CODE = grpc.StatusCode


async def test_a_gift_is_recorded_and_read_back(client: Client, intake: Intake) -> None:
    first = await client.record_donation(GIFT)
    again = await client.record_donation(GIFT)
    assert [first.outcome, again.outcome] == [pb.OUTCOME_ACCEPTED, pb.OUTCOME_REPLAYED]
    assert (await client.get_donation("A-1")).amount.micros == 12_340_000
    assert len({uuid.UUID(request_id) for request_id in intake.request_ids}) == 2


async def test_a_refund_is_recorded(client: Client) -> None:
    answer = await client.record_refund(Refund("A-1", "R-1", 1_000_000, "CNY", TIME))
    assert answer.outcome == pb.OUTCOME_WAITING
    assert (answer.refund.refund_id, answer.refund.amount.micros) == ("R-1", 1_000_000)


async def test_a_dispute_is_recorded(client: Client, server: Server) -> None:
    for status in ("opened", "lost"):
        dispute = Dispute("A-1", "D-1", status, 1_000_000, "CNY", TIME)
        assert (await client.record_dispute(dispute)).outcome == pb.OUTCOME_ACCEPTED
    sent = server.life.disputes
    assert [(one.external_id, one.dispute_id, one.status) for one in sent] == [
        ("A-1", "D-1", pb.DISPUTE_STATUS_OPENED),
        ("A-1", "D-1", pb.DISPUTE_STATUS_LOST),
    ]
    assert (sent[0].amount.micros, sent[0].event_time.ToDatetime(UTC)) == (1_000_000, TIME)
    with pytest.raises(ValueError, match="opened, won, lost"):
        Dispute("A-1", "D-1", "over", 1, "CNY", TIME)  # type: ignore[arg-type]


async def test_reports_are_read_page_by_page(client: Client) -> None:
    assert [report.external_id async for report in client.list_reports()] == ["A-0", "A-1", "A-2"]


async def test_certificates_may_be_files(
    server: Server, authority: Authority, partner: Pair, tmp_path: Path
) -> None:
    files = {"ca": authority.pem, "certificate": partner.certificate, "key": partner.key}
    for name, pem in files.items():
        (tmp_path / name).write_bytes(pem)
    async with connect(
        server.target,
        ca=tmp_path / "ca",
        certificate=str(tmp_path / "certificate"),
        key=tmp_path / "key",
    ) as client:
        assert (await client.record_donation(GIFT)).outcome == pb.OUTCOME_ACCEPTED


async def test_this_machine_is_reached_without_a_proxy(
    server: Server, authority: Authority, partner: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with connect(
        server.target, ca=authority.pem, certificate=partner.certificate, key=partner.key
    ) as client:
        assert (await client.record_donation(GIFT)).outcome == pb.OUTCOME_ACCEPTED


async def test_a_call_that_finds_no_place_in_time_is_not_sent(
    server: Server, authority: Authority, partner: Pair, intake: Intake
) -> None:
    async with connect(
        server.target,
        ca=authority.pem,
        certificate=partner.certificate,
        key=partner.key,
        timeout_s=0.2,
        calls_at_once=1,
    ) as client:
        await client._window.enter(1)  # as another call would
        with pytest.raises(WatersmeetError, match="not sent") as caught:
            await client.record_donation(GIFT)
        assert caught.value.reason == "DEADLINE_EXCEEDED"
        assert intake.request_ids == []
        client._window.leave()
    assert client._window._free == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CODE.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (CODE.UNAVAILABLE, "SHUTTING_DOWN"),
        (CODE.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
        (CODE.UNKNOWN, "OUTCOME_UNKNOWN"),
    ],
)
async def test_what_may_pass_is_tried_again_under_the_same_request_id(
    client: Client, intake: Intake, code: grpc.StatusCode, reason: str
) -> None:
    intake.failures.extend([{"code": code, "reason": reason}] * 2)
    assert (await client.record_donation(GIFT)).outcome == pb.OUTCOME_ACCEPTED
    assert len(intake.request_ids) == 3
    assert len(set(intake.request_ids)) == 1


async def test_the_servers_wish_when_to_retry_is_honoured(client: Client, intake: Intake) -> None:
    intake.failures.append(
        {"code": CODE.RESOURCE_EXHAUSTED, "reason": "QUEUE_FULL", "retry_after_s": 0.7}
    )
    began = time.monotonic()
    await client.record_donation(GIFT)
    assert time.monotonic() - began >= 0.7


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CODE.ALREADY_EXISTS, "DONATION_CONFLICT"),
        (CODE.INVALID_ARGUMENT, "AMOUNT_NOT_POSITIVE"),
        (CODE.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE"),
        (CODE.INTERNAL, "INTERNAL"),
    ],
)
async def test_what_will_not_pass_is_told_at_once(
    client: Client, intake: Intake, code: grpc.StatusCode, reason: str
) -> None:
    intake.failures.append({"code": code, "reason": reason, "field": "amount"})
    with pytest.raises(WatersmeetError, match=reason) as caught:
        await client.record_donation(GIFT)
    error = caught.value
    assert (error.reason, error.code, error.metadata) == (reason, code, {"field": "amount"})
    assert error.message == f"told to fail with {reason}"
    assert len(intake.request_ids) == 1


async def test_trying_again_ends_with_the_deadline(
    server: Server, intake: Intake, authority: Authority, partner: Pair
) -> None:
    intake.failures.extend([{"code": CODE.UNAVAILABLE, "reason": "SHUTTING_DOWN"}] * 100)
    began = time.monotonic()
    async with connect(
        server.target,
        ca=authority.pem,
        certificate=partner.certificate,
        key=partner.key,
        timeout_s=0.6,
    ) as client:
        with pytest.raises(WatersmeetError, match="SHUTTING_DOWN"):
            await client.record_donation(GIFT)
    assert time.monotonic() - began < 0.7
    assert len(intake.request_ids) > 1


async def test_a_server_that_comes_back_is_found(
    server: Server, intake: Intake, client: Client
) -> None:
    await server.stop()
    recording = asyncio.create_task(client.record_donation(GIFT))
    await asyncio.sleep(0.3)  # long enough to have been refused once
    await server.start()
    assert (await recording).outcome == pb.OUTCOME_ACCEPTED


async def failure_of(target: str, ca: bytes, certificate: bytes, key: bytes) -> WatersmeetError:
    began = time.monotonic()
    async with connect(target, ca=ca, certificate=certificate, key=key, timeout_s=3) as client:
        with pytest.raises(WatersmeetError) as caught:
            await client.get_donation("A-1")
    assert time.monotonic() - began < 4
    return caught.value


async def test_a_refused_certificate_is_said_clearly(
    server: Server, authority: Authority, partner: Pair
) -> None:
    stranger, expired = Authority().partner(), authority.partner(days=-1)
    for pair in (stranger, expired):
        error = await failure_of(server.target, authority.pem, pair.certificate, pair.key)
        assert error.reason == "HANDSHAKE_REFUSED"
        assert error.message.startswith("the server refused or did not get a client certificate")


async def test_an_untrusted_server_is_said_clearly(server: Server, partner: Pair) -> None:
    error = await failure_of(server.target, Authority().pem, partner.certificate, partner.key)
    assert error.reason == "HANDSHAKE_FAILED"
    assert "check that ca is the authority" in error.message


async def test_files_that_do_not_belong_together_are_said_clearly(
    server: Server, authority: Authority, partner: Pair
) -> None:
    other = authority.partner()
    error = await failure_of(server.target, authority.pem, partner.certificate, other.key)
    assert error.reason == "HANDSHAKE_FAILED"
    assert "certificate and key belong together" in error.message


async def test_a_server_that_is_not_there_is_said_clearly(
    server: Server, authority: Authority, partner: Pair
) -> None:
    await server.stop()
    error = await failure_of(server.target, authority.pem, partner.certificate, partner.key)
    assert error.reason == "UNREACHABLE"
    await server.start()
