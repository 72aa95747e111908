"""A ledger on a real database: its parts in this process, and the whole over mutual TLS."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import grpc
import pytest
from watersmeet.donations.v1 import (
    batch_service_pb2_grpc,
    position_service_pb2_grpc,
    record_service_pb2_grpc,
)
from watersmeet.ledger.v1 import ledger_service_pb2_grpc

from services.ledger.__main__ import compose
from services.ledger.models import metadata
from services.ledger.settings import Settings
from services.runtime.channel import open_channel
from services.runtime.database import upgrade
from services.runtime.server import Server
from services.runtime.settings import ServerSettings, TlsSettings
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.log_parts import LogParts, open_log
from tests.integration.ledger.parts import (
    COUNTED,
    Engines,
    Parts,
    open_engines,
    open_parts,
    role_of,
)
from tests.integration.ledger.stand_ins import Batches
from tests.support.clock import FixedClock
from tests.support.databases import DatabaseFactory
from tests.support.emptying import Emptier, emptying
from tests.support.identities import Certificates

_AS_NEW = """
    UPDATE head SET sequence = 0, hash = decode(repeat('00', 32), 'hex'), recorded_time = NULL,
        term = 0, next_expiry = NULL, periods_sequence = 0, asked_time = NULL,
        uncounted_after = 0, uncounted_through = 0;
    UPDATE lease SET until = '-infinity'
"""
_KEPT = {"head", "lease"}  # of one row each


@pytest.fixture(scope="session")
def migrated(shared_database: DatabaseFactory) -> DatabaseUrls:
    """A ledger's database, migrated."""
    urls = shared_database("ledger")
    upgrade("services.ledger", urls.owner, service_role=role_of(urls.service))
    return urls


@contextmanager
def emptying_books(owner_url: str) -> Iterator[Emptier]:
    """What makes a ledger's books empty, for as long as the block."""
    tables = [table.name for table in metadata.sorted_tables if table.name not in _KEPT]
    with emptying(owner_url, tables, _AS_NEW) as opened:
        yield opened


@pytest.fixture(scope="session")
def emptier(migrated: DatabaseUrls) -> Iterator[Emptier]:
    """Makes its books empty."""
    with emptying_books(migrated.owner) as opened:
        yield opened


@pytest.fixture
def urls(migrated: DatabaseUrls, emptier: Emptier) -> DatabaseUrls:
    """A ledger's database with empty books."""
    emptier.truncate()
    return migrated


@pytest.fixture
async def engines(urls: DatabaseUrls) -> AsyncIterator[Engines]:
    """Connections for one ledger after the other, each of which finds the books empty."""
    async with open_engines(urls.service) as opened:
        yield opened


@pytest.fixture
async def parts(urls: DatabaseUrls, clock: FixedClock) -> AsyncIterator[Parts]:
    """A writer that runs, and readers. The totals' tables count all entries."""
    async with open_parts(urls.service, clock, limits=COUNTED) as opened:
        yield opened


@pytest.fixture
async def log(parts: Parts, urls: DatabaseUrls, clock: FixedClock) -> AsyncIterator[LogParts]:
    """A log on the same books, which signs when it is told to."""
    async with open_log(parts, urls.service, clock) as opened:
        yield opened


@pytest.fixture
def batches() -> Batches:
    """What the stand-in for the donations service answers."""
    return Batches()


Connect = Callable[..., grpc.aio.Channel]


@pytest.fixture
async def server(
    urls: DatabaseUrls, clock: FixedClock, batches: Batches, certificates: Certificates
) -> AsyncIterator[Server]:
    """A ledger that serves, with the stand-in for the donations service beside it."""
    async with _serve_batches(batches, certificates) as donations:
        files: dict[str, Any] = dict(certificates.settings_for("service", "ledger"))
        settings = Settings(
            **files,
            database_url=urls.service,  # type: ignore[arg-type]  # read as a secret
            donations_address=donations,
            feed_poll_s=0.1,
            checkpoint_s=0.3,
            expire_every_s=0.1,
        )
        async with compose(settings, clock) as (server, ready):
            await ready()
            await server.start()
            try:
                yield server
            finally:
                await server.stop()


@pytest.fixture
async def connect(server: Server, certificates: Certificates) -> AsyncIterator[Connect]:
    """`connect("finance", "local")`: a channel of that identity to the server."""
    async with AsyncExitStack() as stack:

        def channel(role: str, name: str) -> grpc.aio.Channel:
            opened = open_channel(
                server.address, TlsSettings(**certificates.settings_for(role, name))
            )
            stack.push_async_callback(opened.close)
            return opened

        yield channel


@pytest.fixture
def ledger(connect: Connect) -> Any:
    """A stub with which finance calls."""
    return ledger_service_pb2_grpc.LedgerServiceStub(connect("finance", "local"))


@pytest.fixture
def intake(connect: Connect) -> Any:
    """A stub with which intake calls."""
    return ledger_service_pb2_grpc.LedgerServiceStub(connect("service", "donations"))


@asynccontextmanager
async def _serve_batches(batches: Batches, certificates: Certificates) -> AsyncIterator[str]:
    files: dict[str, Any] = dict(certificates.settings_for("service", "donations"))
    server = Server("donations", ServerSettings(**files))
    server.add(
        batch_service_pb2_grpc.add_BatchServiceServicer_to_server,
        batches,
        "watersmeet.donations.v1.BatchService",
    )
    server.add(
        position_service_pb2_grpc.add_PositionServiceServicer_to_server,
        batches.positions,
        "watersmeet.donations.v1.PositionService",
    )
    server.add(
        record_service_pb2_grpc.add_RecordServiceServicer_to_server,
        batches.records,
        "watersmeet.donations.v1.RecordService",
    )
    await server.start()
    batches.stop = server.stop
    try:
        yield server.address
    finally:
        if not batches.stopped:
            await server.stop()
