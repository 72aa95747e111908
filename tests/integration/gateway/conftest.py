"""A gateway of the real wiring between a fake ledger and a fake intake, all over mTLS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import grpc
import pytest
from watersmeet.donations.v1 import catalog_service_pb2_grpc as catalog_grpc
from watersmeet.donations.v1 import notification_service_pb2_grpc as intake_grpc
from watersmeet.gateway.v1 import totals_service_pb2 as pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as totals_grpc
from watersmeet.ledger.v1 import feed_service_pb2_grpc as feed_grpc
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as ledger_grpc
from watersmeet.ledger.v1 import log_service_pb2_grpc as log_grpc

from services.gateway.__main__ import Gateway, wire
from services.gateway.settings import Settings
from services.runtime.channel import open_channel
from services.runtime.server import Server
from services.runtime.settings import ServerSettings
from tests.integration.gateway.fake_catalog import FakeCatalog
from tests.integration.gateway.fakes import FakeIntake, FakeLedger
from tests.support.identities import Certificates


class Fakes:
    """The fake services, which can be away and come back on the same address."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self.ledger = FakeLedger()  # type: ignore[abstract]  # the rest is UNIMPLEMENTED
        self.intake = FakeIntake()
        self.catalog = FakeCatalog()  # type: ignore[abstract]
        self.log: log_grpc.LogServiceServicer | None = None
        self.ledger_server: Server | None = None
        self.intake_server: Server | None = None
        self.ledger_address = self.intake_address = "127.0.0.1:0"

    async def start_ledger(self) -> None:
        server = self._server("ledger", self.ledger_address)
        server.add(
            ledger_grpc.add_LedgerServiceServicer_to_server,
            self.ledger,
            "watersmeet.ledger.v1.LedgerService",
        )
        server.add(
            feed_grpc.add_FeedServiceServicer_to_server,
            self.ledger,
            "watersmeet.ledger.v1.FeedService",
        )
        if self.log is not None:
            server.add(
                log_grpc.add_LogServiceServicer_to_server,
                self.log,
                "watersmeet.ledger.v1.LogService",
            )
        await server.start()
        self.ledger_server, self.ledger_address = server, server.address

    async def start_intake(self) -> None:
        server = self._server("donations", self.intake_address)
        server.add(
            intake_grpc.add_NotificationServiceServicer_to_server,
            self.intake,
            "watersmeet.donations.v1.NotificationService",
        )
        server.add(
            catalog_grpc.add_CatalogServiceServicer_to_server,
            self.catalog,
            "watersmeet.donations.v1.CatalogService",
        )
        await server.start()
        self.intake_server, self.intake_address = server, server.address

    async def stop(self) -> None:
        await asyncio.gather(self.stop_ledger(), self.stop_intake())

    async def stop_ledger(self) -> None:
        server, self.ledger_server = self.ledger_server, None
        if server is not None:
            await server.stop()

    async def stop_intake(self) -> None:
        server, self.intake_server = self.intake_server, None
        if server is not None:
            await server.stop()

    def _server(self, name: str, listen: str) -> Server:
        files = self._certificates.settings_for("service", name)
        settings = ServerSettings.model_validate({**files, "listen": listen, "drain_s": 2.0})
        return Server(name, settings)


class Mesh:
    """What a test talks to."""

    def __init__(self, gateway: Gateway, fakes: Fakes, certificates: Certificates) -> None:
        self.gateway = gateway
        self.fakes = fakes
        self.ledger = fakes.ledger
        self.intake = fakes.intake
        self._certificates = certificates
        self._clients = AsyncExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.http.port}"

    async def http(self) -> aiohttp.ClientSession:
        """A client; compressed answers stay as they are."""
        return await self._clients.enter_async_context(
            aiohttp.ClientSession(self.url, auto_decompress=False)
        )

    async def as_(self, role: str, name: str) -> "totals_grpc.TotalsServiceAsyncStub":
        """The totals' stub of a caller."""
        channel = grpc.aio.secure_channel(
            self.gateway.server.address, self._certificates.channel_credentials(role, name)
        )
        await self._clients.enter_async_context(channel)
        return totals_grpc.TotalsServiceStub(channel)

    async def at(self, sequence: int) -> pb.GetTotalsResponse:
        """Totals as an operator sees them, once they count this entry."""
        stub = await self.as_("operator", "local")
        async with asyncio.timeout(10):
            while True:
                totals = await stub.GetTotals(pb.GetTotalsRequest(), timeout=5)
                if totals.as_of.sequence >= sequence:
                    return totals
                await self.gateway.live.wake.wait()

    async def close(self) -> None:
        await self._clients.aclose()


StartMesh = Callable[..., Awaitable[Mesh]]


@pytest.fixture
async def start_mesh(certificates: Certificates) -> AsyncIterator[StartMesh]:
    """Starts a mesh with other settings than the default ones: `await start_mesh(watchers_max=1)`.

    log: what the ledger serves as its log.
    before: called with the fakes before the gateway starts; may be a coroutine function.
    """
    async with AsyncExitStack() as stack:

        async def start(
            before: Callable[[Fakes], Any] | None = None,
            *,
            log: log_grpc.LogServiceServicer | None = None,
            ready: bool = True,
            **settings: Any,
        ) -> Mesh:
            fakes = Fakes(certificates)
            fakes.log = log
            await fakes.start_ledger()
            await fakes.start_intake()
            stack.push_async_callback(fakes.stop)
            if before is not None and (waiting := before(fakes)) is not None:
                await waiting
            gateway = await stack.enter_async_context(_gateway(certificates, fakes, settings))
            mesh = Mesh(gateway, fakes, certificates)
            stack.push_async_callback(mesh.close)
            if ready:
                async with asyncio.timeout(10):
                    await gateway.live.wait_loaded()
            return mesh

        yield start


@pytest.fixture
async def mesh(start_mesh: StartMesh) -> Mesh:
    """A mesh whose ledger is empty."""
    return await start_mesh()


async def until(holds: Callable[[], bool]) -> None:
    """Returns once something holds that nobody announces. Fails after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  nobody announces it
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _gateway(
    certificates: Certificates, fakes: Fakes, settings: dict[str, Any]
) -> AsyncIterator[Gateway]:
    chosen = Settings.model_validate(
        {
            **certificates.settings_for("service", "gateway"),
            "ledger_address": fakes.ledger_address,
            "donations_address": fakes.intake_address,
            "drain_s": 2.0,
            **settings,
        }
    )
    async with (
        open_channel(chosen.ledger_address, chosen) as ledger,
        open_channel(chosen.donations_address, chosen) as donations,
    ):
        gateway = wire(chosen, [ledger], donations)
        await gateway.server.start(ready=gateway.live.wait_loaded)
        await asyncio.wait_for(gateway.http.listening.wait(), 5)
        try:
            yield gateway
        finally:
            await gateway.server.stop()
