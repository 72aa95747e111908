"""A server of the runtime with a servicer of a test's own, over real mutual TLS."""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as intake_grpc
from watersmeet.gateway.v1 import totals_service_pb2_grpc as totals_grpc

from services.runtime.channel import open_channel
from services.runtime.errors import Fault
from services.runtime.logs import configure
from services.runtime.server import Server
from services.runtime.settings import ServerSettings, TlsSettings
from services.runtime.status import fault_from_rpc_error
from tests.support.identities import Certificates

TIMEOUT_S = 10
INTAKE = "watersmeet.donations.v1.DonationIntakeService"
TOTALS = "watersmeet.gateway.v1.TotalsService"

MakeServer = Callable[..., Server]
Serve = Callable[..., Awaitable[Server]]
Connect = Callable[..., grpc.aio.Channel]


class Log:
    """The lines that the server wrote."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self._lines: list[dict[str, Any]] = []

    async def line(self, event: str, number: int = 1) -> dict[str, Any]:
        """The number-th line about event. It comes a moment after the client has its answer."""
        async with asyncio.timeout(TIMEOUT_S):
            while len(found := [line for line in self._lines if line["event"] == event]) < number:
                await asyncio.sleep(0.02)
                written = self._capfd.readouterr().err.splitlines()
                self._lines += [json.loads(line) for line in written]
        return found[number - 1]


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Log:
    configure("test")
    capfd.readouterr()  # what others left
    return Log(capfd)


async def messages_and_fault(call: AsyncIterable[Any]) -> tuple[list[Any], Fault]:
    """What came before the call failed, and what it failed with."""
    messages: list[Any] = []
    try:
        async for message in call:
            messages.append(message)  # noqa: PERF401  those before the error are wanted
    except grpc.aio.AioRpcError as error:
        return messages, fault_from_rpc_error(error)
    raise AssertionError("the call did not fail")


@pytest.fixture
def make_server(certificates: Certificates) -> MakeServer:
    """`make_server(intake=…, totals=…, services=…, **settings)`: a server that is not started."""

    def make(
        *,
        intake: intake_grpc.DonationIntakeServiceServicer | None = None,
        totals: totals_grpc.TotalsServiceServicer | None = None,
        services: Sequence[tuple[Callable[..., None], object, str]] = (),
        **settings: Any,
    ) -> Server:
        files = certificates.settings_for("service", "gateway")
        server = Server("test", ServerSettings(**{**files, **settings}))
        if intake is not None:
            server.add(intake_grpc.add_DonationIntakeServiceServicer_to_server, intake, INTAKE)
        if totals is not None:
            server.add(totals_grpc.add_TotalsServiceServicer_to_server, totals, TOTALS)
        for service in services:
            server.add(*service)
        return server

    return make


@pytest.fixture
async def serve(make_server: MakeServer) -> AsyncIterator[Serve]:
    """As make_server, started, and stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Server:
            server = make_server(**settings)
            await server.start()
            stack.push_async_callback(server.stop)
            return server

        yield start


@pytest.fixture
async def connect(certificates: Certificates) -> AsyncIterator[Connect]:
    """`connect(server, "partner", "alipay")`: a channel with that identity."""
    async with AsyncExitStack() as stack:

        def channel_to(server: Server, role: str, name: str) -> grpc.aio.Channel:
            settings = TlsSettings(**certificates.settings_for(role, name))
            channel = open_channel(f"localhost:{server.port}", settings)
            stack.push_async_callback(channel.close)
            return channel

        yield channel_to
