"""The gateway as the supervisor runs it: a process that is told everything by its environment."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from watersmeet.donations.v1 import notification_service_pb2 as intake_pb

from services.runtime.supervisor.ports import ReservedPort
from tests.integration.gateway.conftest import Fakes
from tests.integration.gateway.fakes import change
from tests.support.identities import Certificates


@pytest.fixture
async def fakes(certificates: Certificates) -> AsyncIterator[Fakes]:
    fakes = Fakes(certificates)
    await fakes.start_ledger()
    await fakes.start_intake()
    yield fakes
    await fakes.stop()


@asynccontextmanager
async def running(
    environment: dict[str, str],
) -> AsyncIterator[asyncio.subprocess.Process]:
    inherited = {key: value for key, value in os.environ.items() if "WATERSMEET" not in key}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.gateway",
        env={**inherited, **environment},
        cwd=Path("/"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_starts_becomes_ready_serves_and_stops_without_dropping_a_notice(
    certificates: Certificates, fakes: Fakes
) -> None:
    fakes.ledger.post(change(12_000_000, 3))
    arrived = asyncio.Event()

    async def slowly(
        _notice: intake_pb.Notification,
    ) -> intake_pb.NotificationAcknowledgement:
        arrived.set()
        await asyncio.sleep(0.5)
        return intake_pb.NotificationAcknowledgement(http_status=200, body=b"success")

    fakes.intake.answer = slowly
    with ReservedPort() as grpc_port, ReservedPort() as http_port:
        settings: dict[str, object] = {
            **certificates.settings_for("service", "gateway"),
            "listen": grpc_port.address,
            "http_listen": http_port.address,
            "ledger_address": fakes.ledger_address,
            "donations_address": fakes.intake_address,
        }
        environment = {f"WATERSMEET_GATEWAY_{k.upper()}": str(v) for k, v in settings.items()}
        async with (
            running(environment) as process,
            grpc.aio.secure_channel(
                grpc_port.address, certificates.channel_credentials("operator", "local")
            ) as channel,
            aiohttp.ClientSession(f"http://{http_port.address}") as http,
        ):
            await _healthy(channel)
            async with http.get("/v1/totals?state=claimed") as answer:
                rows = (await answer.json())["rows"]
                assert [(row["micros"], row["count"]) for row in rows] == [("12000000", 3)]
            under_way = asyncio.create_task(http.post("/callbacks/alipay", data=b"x"))
            await asyncio.wait_for(arrived.wait(), 5)
            process.send_signal(signal.SIGTERM)
            async with await under_way as answer:
                assert (answer.status, await answer.read()) == (200, b"success")
            assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_wrong_settings_are_said_and_end_the_process() -> None:
    async with running({"WATERSMEET_GATEWAY_LISTEN": "nowhere"}) as process:
        assert await asyncio.wait_for(process.wait(), 30) == 2


async def _healthy(channel: grpc.aio.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service="watersmeet.gateway.v1.TotalsService")
    async with asyncio.timeout(30):
        while True:
            try:
                answer = await stub.Check(request, timeout=2, wait_for_ready=True)
            except grpc.aio.AioRpcError:
                continue  # it is starting
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(0.05)
