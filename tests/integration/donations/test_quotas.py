"""Partners' quotas over mutual TLS: calls are refused, streams wait, others feel nothing of it."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.donations.v1.life_service_pb2_grpc import LifeServiceStub

from services.runtime.errors import Fault, Reason
from services.runtime.server import Server
from services.runtime.status import fault_from_rpc_error
from tests.integration.donations.conftest import Connect
from tests.integration.donations.messages import batch, donation_request, opening
from tests.integration.donations.test_life_service import a_dispute
from tests.unit.donations.gifts import a_gift

QUOTAS = """
[partners.weibo]
calls_per_s = 0.001
burst_s = 3600          # 3 calls
gifts_per_s = 1

[partners.bytedance]
gifts_per_s = 1_000
burst_s = 0.1

[partners.tencent]
bytes_per_s = 20_000
burst_s = 0.1

[partners.qingsongchou]
streams_at_once = 2

[partners.stripe]
gifts_per_s = 0.001     # one, and no more for long
"""
METHOD = "/watersmeet.donations.v1.DonationIntakeService/RecordDonation"


@pytest.fixture
def quotas_file(tmp_path: Path) -> Path:
    file = tmp_path / "quotas.toml"
    file.write_text(QUOTAS, encoding="utf-8")
    return file


@pytest.fixture
def intake(connect: Connect) -> Any:
    """`intake("weibo")`: a partner's stub."""
    return lambda partner: DonationIntakeServiceStub(connect("partner", partner))


async def refusal(call: Any) -> Fault:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return fault_from_rpc_error(caught.value)


async def open_stream(stub: Any, stream_id: str = "s") -> Any:
    call = stub.StreamDonations(timeout=30)
    await call.write(opening(stream_id))
    await call.read()
    return call


async def send_batches(stub: Any, rows: int, number: int) -> float:
    """Sends batches of so many gifts and waits for all of them; returns the seconds it took."""
    call = await open_stream(stub)
    loop = asyncio.get_running_loop()
    started = loop.time()
    for at in range(0, rows * number, rows):
        await call.write(batch(at, [a_gift(f"g{at + row}") for row in range(rows)]))
    await call.done_writing()
    accepted = 0
    while (message := await call.read()) is not grpc.aio.EOF:
        accepted += message.acknowledgement.accepted
    assert accepted == rows * number, "what waits is not refused, and nothing of it is lost"
    return loop.time() - started


async def test_a_call_beyond_the_quota_is_refused_unread_and_told_when_to_come(
    server: Server, connect: Connect, intake: Any
) -> None:
    weibo = intake("weibo")
    for number in range(3):
        await weibo.RecordDonation(donation_request(a_gift(f"g{number}")), timeout=10)
    raw: Any = connect("partner", "weibo").unary_unary(METHOD)
    fault = await refusal(raw(b"\xff no message of ours", timeout=10))
    assert fault.reason is Reason.RATE_LIMITED
    assert fault.metadata == {"partner": "weibo", "quota": "calls", "limit": "0.001"}
    assert fault.retry_after == pytest.approx(400, abs=30)
    answer = await intake("xiaomi").RecordDonation(donation_request(a_gift("g0")), timeout=10)
    assert answer.outcome == pb.OUTCOME_ACCEPTED


async def test_disputes_count_as_gifts_do(connect: Connect) -> None:
    life: Any = LifeServiceStub(connect("partner", "stripe"))
    await life.RecordDispute(a_dispute(pb.DISPUTE_STATUS_OPENED), timeout=5)
    fault = await refusal(life.RecordDispute(a_dispute(pb.DISPUTE_STATUS_WON), timeout=5))
    assert (fault.reason, fault.metadata["quota"]) == (Reason.RATE_LIMITED, "gifts")


async def test_a_stream_beyond_the_gifts_a_second_is_slowed_down_and_not_refused(
    intake: Any,
) -> None:
    # 400 gifts, of which 100 are saved up, at 1,000 a second.
    assert await send_batches(intake("bytedance"), rows=100, number=4) > 0.29


async def test_a_stream_beyond_the_bytes_a_second_is_slowed_down(intake: Any) -> None:
    size = batch(0, [a_gift(f"g{row}") for row in range(100)]).ByteSize()
    # The bucket's 2,000 bytes let the first pass; each further one waits for those before it.
    took_s = await send_batches(intake("tencent"), rows=100, number=4)
    assert took_s > 3 * size / 20_000 * 0.9


async def test_a_stream_that_waits_goes_when_the_server_stops(server: Server, intake: Any) -> None:
    bytedance = intake("bytedance")
    call = await open_stream(bytedance)
    for at in (0, 5_000, 10_000):  # five seconds each
        await call.write(batch(at, [a_gift(f"g{at + row}") for row in range(5_000)]))
    assert (await call.read()).acknowledgement.accepted == 5_000
    async with asyncio.timeout(4):
        await server.stop()


async def test_only_so_many_streams_at_once(intake: Any) -> None:
    qingsongchou = intake("qingsongchou")
    first = await open_stream(qingsongchou, "one")
    await open_stream(qingsongchou, "two")
    third = qingsongchou.StreamDonations(timeout=10)
    await third.write(opening("three"))
    fault = await refusal(third.read())
    assert fault.reason is Reason.RATE_LIMITED
    assert fault.metadata["quota"] == "streams_at_once"
    assert fault.retry_after
    await first.done_writing()
    assert await first.read() is grpc.aio.EOF
    await open_stream(qingsongchou, "three")


async def test_streams_that_are_stuck_slow_nobody_else(server: Server, intake: Any) -> None:
    bytedance = intake("bytedance")
    # Some never send, and one sends ten seconds' worth at once and reads no acknowledgement.
    for number in range(5):
        await open_stream(bytedance, f"silent-{number}")
    greedy = await open_stream(bytedance, "greedy")

    async def pour() -> None:
        for at in range(0, 10_000, 1_000):
            await greedy.write(batch(at, [a_gift(f"h{at + row}") for row in range(1_000)]))

    pouring = asyncio.create_task(pour())
    async with asyncio.timeout(5):
        await send_batches(intake("xiaomi"), rows=100, number=20)
    answer = await intake("weibo").RecordDonation(donation_request(a_gift("w")), timeout=5)
    assert answer.outcome == pb.OUTCOME_ACCEPTED
    pouring.cancel()
    await asyncio.gather(pouring, return_exceptions=True)
