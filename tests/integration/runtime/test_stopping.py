"""How a server becomes ready, and how it ends without dropping what it has begun."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as intake_grpc
from watersmeet.gateway.v1 import totals_service_pb2 as totals_pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as totals_grpc

from services.runtime.errors import Reason
from services.runtime.server import Server, ServiceFailed
from services.runtime.status import fault_from_rpc_error
from tests.integration.runtime.conftest import (
    INTAKE,
    TOTALS,
    Connect,
    MakeServer,
    Serve,
    messages_and_fault,
)
from tests.integration.runtime.servicers import IdleIntake, IdleTotals

TIMEOUT_S = 10
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Totals(IdleTotals):
    """GetTotals answers when `release` is set; WatchTotals sends one message and then waits."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.was_cut = False

    async def GetTotals(self, request: Any, context: Any) -> Any:
        self.begun.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.was_cut = True
            raise
        return totals_pb.GetTotalsResponse()

    async def WatchTotals(self, request: Any, context: Any) -> Any:
        yield totals_pb.WatchTotalsResponse(cursor="1")
        await asyncio.Event().wait()


class Intake(IdleIntake):
    """Acknowledges what it has read when `release` is set, as a group commit would."""

    def __init__(self) -> None:
        self.read = asyncio.Event()
        self.release = asyncio.Event()

    async def StreamDonations(self, request_iterator: Any, context: Any) -> Any:
        async for request in request_iterator:
            self.read.set()
            await self.release.wait()
            yield intake_pb.StreamDonationsResponse(
                acknowledgement=intake_pb.BatchAcknowledgement(offset=request.batch.offset)
            )


def totals_stub(channel: grpc.aio.Channel) -> "totals_grpc.TotalsServiceAsyncStub":
    return totals_grpc.TotalsServiceStub(channel)


async def health_of(channel: grpc.aio.Channel, service: str = "") -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    response = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT_S)
    status: int = response.status
    return status


async def wait_for_health(channel: grpc.aio.Channel, status: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while await health_of(channel) != status:  # noqa: ASYNC110  a poll is what it is
            await asyncio.sleep(0.01)


async def test_a_call_in_flight_finishes_and_a_new_one_is_sent_elsewhere(
    serve: Serve, connect: Connect
) -> None:
    totals = Totals()
    server = await serve(totals=totals)
    channel = connect(server, "partner", "alipay")
    call = totals_stub(channel).GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    await totals.begun.wait()
    stopping = asyncio.create_task(server.stop())
    await wait_for_health(channel, NOT_SERVING)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await totals_stub(channel).GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    assert fault_from_rpc_error(caught.value).reason is Reason.SHUTTING_DOWN
    assert not stopping.done()
    totals.release.set()
    assert await call == totals_pb.GetTotalsResponse()
    await stopping


async def test_a_call_that_does_not_end_is_cut_off_at_the_limit(
    serve: Serve, connect: Connect
) -> None:
    totals = Totals()
    server = await serve(totals=totals, drain_s=0.2)
    channel = connect(server, "partner", "alipay")
    call = totals_stub(channel).GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    await totals.begun.wait()
    begin = time.monotonic()
    await server.stop()
    assert 0.2 <= time.monotonic() - begin < 2
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert totals.was_cut


async def test_a_stream_of_answers_ends_at_once(serve: Serve, connect: Connect) -> None:
    server = await serve(totals=Totals())
    watch = totals_stub(connect(server, "partner", "alipay")).WatchTotals(
        totals_pb.WatchTotalsRequest(), timeout=TIMEOUT_S
    )
    async for _ in watch:
        break
    begin = time.monotonic()
    await server.stop()
    assert time.monotonic() - begin < 2
    assert await watch.code() is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watch.read()
    assert fault_from_rpc_error(caught.value).reason is Reason.SHUTTING_DOWN


@pytest.mark.parametrize("goes_on", [True, False], ids=["talking", "silent"])
async def test_a_stream_of_requests_is_answered_as_far_as_it_was_read(
    serve: Serve, connect: Connect, goes_on: bool
) -> None:
    intake = Intake()
    server = await serve(intake=intake)
    stub = intake_grpc.DonationIntakeServiceStub(connect(server, "partner", "alipay"))
    over = asyncio.Event()

    async def requests() -> AsyncIterator[intake_pb.StreamDonationsRequest]:
        yield intake_pb.StreamDonationsRequest(batch=intake_pb.DonationBatch(offset=1))
        while not over.is_set():
            if goes_on:
                yield intake_pb.StreamDonationsRequest(batch=intake_pb.DonationBatch(offset=2))
            await asyncio.sleep(0.01)

    call = stub.StreamDonations(requests(), timeout=TIMEOUT_S)
    await intake.read.wait()
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0.05)
    intake.release.set()
    messages, fault = await messages_and_fault(call)
    over.set()
    assert messages[0].acknowledgement.offset == 1
    # A stream that was cut does not look complete. Who writes at that very moment may not hear why.
    reasons = {Reason.SHUTTING_DOWN} | ({Reason.DEPENDENCY_UNAVAILABLE} if goes_on else set())
    assert fault.reason in reasons
    await stopping


async def test_health_waits_for_readiness(make_server: MakeServer, connect: Connect) -> None:
    ready = asyncio.Event()

    async def become_ready() -> None:
        await ready.wait()

    server = make_server(totals=Totals())
    await server.start(become_ready)
    channel = connect(server, "service", "supervisor")
    assert await health_of(channel) == NOT_SERVING
    assert await health_of(channel, TOTALS) == NOT_SERVING
    ready.set()
    await wait_for_health(channel, SERVING)
    assert await health_of(channel, TOTALS) == SERVING
    await server.stop()


async def test_a_health_watcher_sees_the_end(serve: Serve, connect: Connect) -> None:
    server = await serve(totals=Totals())
    stub = health_pb2_grpc.HealthStub(connect(server, "operator", "local"))
    watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    assert (await watch.read()).status == SERVING
    stopping = asyncio.create_task(server.stop())
    assert (await watch.read()).status == NOT_SERVING
    watch.cancel()
    await stopping


async def test_reflection_is_for_operators(serve: Serve, connect: Connect) -> None:
    server = await serve(totals=Totals(), intake=Intake())

    async def request() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    async def silence() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        await asyncio.Event().wait()
        yield reflection_pb2.ServerReflectionRequest()

    stub = reflection_pb2_grpc.ServerReflectionStub(connect(server, "operator", "local"))
    call = stub.ServerReflectionInfo(request(), timeout=TIMEOUT_S)
    (answer,) = [answer async for answer in call]
    names = {service.name for service in answer.list_services_response.service}
    assert {TOTALS, INTAKE, "grpc.health.v1.Health"} < names
    stub = reflection_pb2_grpc.ServerReflectionStub(connect(server, "partner", "alipay"))
    call = stub.ServerReflectionInfo(silence(), timeout=TIMEOUT_S)
    _, fault = await messages_and_fault(call)
    assert fault.reason is Reason.PERMISSION_DENIED


async def test_metrics_are_read_on_their_own_port(serve: Serve, connect: Connect) -> None:
    totals = Totals()
    totals.release.set()
    server = await serve(totals=totals)
    channel = connect(server, "partner", "alipay")
    await totals_stub(channel).GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)

    def scrape() -> str:
        with urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=5) as response:
            return str(response.read(), "utf-8")

    text = await asyncio.to_thread(scrape)
    assert 'grpc_server_started_total{grpc_method="GetTotals"' in text
    # Who called is in the log; as a label it would have no bound.
    assert not [line for line in text.splitlines() if "grpc_" in line and "alipay" in line]


async def run_until_signal(server: Server, number: signal.Signals) -> None:
    running = asyncio.create_task(server.run())
    async with asyncio.timeout(TIMEOUT_S):
        while not server.port:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), number)
    await asyncio.wait_for(running, TIMEOUT_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_and_its_background(
    make_server: MakeServer, number: signal.Signals
) -> None:
    ended = False

    async def background() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    server = make_server(totals=Totals())
    server.add_background(background, "waiting")
    await run_until_signal(server, number)
    assert ended


async def fail() -> None:
    raise ValueError("the feed is broken")


async def test_a_background_task_that_fails_ends_the_service(make_server: MakeServer) -> None:
    server = make_server(totals=Totals())
    server.add_background(fail, "feed")
    with pytest.raises(ServiceFailed, match="feed"):
        await asyncio.wait_for(server.run(), TIMEOUT_S)


async def test_a_service_that_cannot_become_ready_ends(make_server: MakeServer) -> None:
    server = make_server(totals=Totals())
    with pytest.raises(ServiceFailed):
        await asyncio.wait_for(server.run(fail), TIMEOUT_S)


async def test_a_background_task_may_finish(serve: Serve, make_server: MakeServer) -> None:
    async def once() -> None:
        return

    server = make_server(totals=Totals())
    server.add_background(once, "once")
    await run_until_signal(server, signal.SIGTERM)


async def test_a_taken_port_is_told(
    serve: Serve, make_server: MakeServer, capfd: pytest.CaptureFixture[str]
) -> None:
    first = await serve(totals=Totals())
    second = make_server(totals=Totals(), listen=f"127.0.0.1:{first.port}")
    with pytest.raises(RuntimeError, match=str(first.port)):
        await asyncio.wait_for(second.run(), TIMEOUT_S)
    third = make_server(totals=Totals(), metrics_listen=f"127.0.0.1:{first.metrics_port}")
    with pytest.raises(OSError, match="in use"):
        await asyncio.wait_for(third.run(), TIMEOUT_S)
