"""Intake on a real database: its parts in this process, and the whole over mutual TLS."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.donations.__main__ import compose
from services.donations.models import metadata
from services.donations.settings import Settings
from services.donations.store.catalog import CatalogStore
from services.donations.wire.relay import Relay
from services.runtime.channel import open_channel
from services.runtime.database import database_url, open_engine, upgrade
from services.runtime.server import Server
from services.runtime.settings import TlsSettings
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.ledgers import Ledger, LedgerProcess
from tests.integration.donations.parts import Parts, fill, open_parts
from tests.support.clock import FixedClock
from tests.support.databases import DatabaseFactory
from tests.support.emptying import Emptier, emptying
from tests.support.identities import Certificates


@pytest.fixture(scope="session")
def migrated(shared_database: DatabaseFactory) -> DatabaseUrls:
    """Intake's database, migrated."""
    urls = shared_database("donations")
    upgrade("services.donations", urls.owner, service_role=database_url(urls.service).username)
    return urls


@pytest.fixture(scope="session")
def emptier(migrated: DatabaseUrls) -> Iterator[Emptier]:
    """Removes every row, as only the owner may."""
    with emptying(migrated.owner, [table.name for table in metadata.sorted_tables]) as opened:
        yield opened


@pytest.fixture
def urls(migrated: DatabaseUrls, emptier: Emptier) -> DatabaseUrls:
    """Intake's database, empty."""
    emptier.truncate()
    return migrated


# What Catalog keeps in memory, and so must stay while it lives.
_CATALOG = {
    *("partners", "charities", "certificates"),
    *("projects", "project_closures", "closure_decisions", "campaigns"),
}
_REMEMBERED = 5
_examples = itertools.count()


def forget_now_and_then(emptier: Emptier) -> None:
    """Removes the gifts of earlier examples every so often, as a property's database outlives them:
    what reads all of it would take longer with each, and thousands of them for hours.
    """
    if next(_examples) % _REMEMBERED == 0:
        emptier.delete(but=_CATALOG)


@pytest.fixture
async def parts(urls: DatabaseUrls, clock: FixedClock) -> AsyncIterator[Parts]:
    """Intake's parts on an empty database."""
    async with open_parts(urls.service, clock) as opened:
        yield opened


@pytest.fixture
async def ledger(certificates: Certificates) -> AsyncIterator[LedgerProcess]:
    """A stand-in for the ledger, serving."""
    stand_in = Ledger()  # type: ignore[abstract]  # the rest is UNIMPLEMENTED
    process = LedgerProcess(stand_in, certificates)
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def relay(
    parts: Parts, ledger: LedgerProcess, certificates: Certificates, clock: FixedClock
) -> AsyncIterator[Relay]:
    """A relay that posts when it is told."""
    files: dict[str, Any] = dict(certificates.settings_for("service", "donations"))
    channel = open_channel(ledger.address, TlsSettings(**files))
    yield Relay(parts.outbox, [channel], clock)
    await channel.close()


@pytest.fixture
def platforms_file() -> Path | None:
    """platforms.toml; tests of platforms have one of their own."""
    return None


@pytest.fixture
def quotas_file() -> Path | None:
    """quotas.toml; tests of quotas have one of their own."""
    return None


@pytest.fixture
async def settings(
    urls: DatabaseUrls,
    clock: FixedClock,
    ledger: LedgerProcess,
    certificates: Certificates,
    platforms_file: Path | None,
    quotas_file: Path | None,
    tmp_path: Path,
) -> Settings:
    """Intake's settings, and in its database a catalog like that of the unit tests."""
    key = tmp_path / "donor.key"
    key.write_bytes(bytes(range(32)))
    donor_keys = tmp_path / "donor-keys"
    donor_keys.mkdir()
    (donor_keys / "1.key").write_bytes(bytes(range(32, 64)))
    engine = open_engine(urls.service, name="test", pool_size=1)
    await fill(CatalogStore(engine), clock)
    await engine.dispose()
    files: dict[str, Any] = dict(certificates.settings_for("service", "donations"))
    return Settings(
        **files,
        database_url=urls.service,  # type: ignore[arg-type]  # read as a secret
        ledger_address=ledger.address,
        donor_key_file=key,
        donor_keys_dir=donor_keys,
        platforms_file=platforms_file,
        quotas_file=quotas_file,
        stream_in_flight=3,
    )


@asynccontextmanager
async def serving(settings: Settings, clock: FixedClock) -> AsyncIterator[Server]:
    """Intake, serving for as long as the block."""
    async with compose(settings, clock) as (opened, catalog):
        await catalog.refresh()
        await opened.start()
        yield opened
        await opened.stop()


@pytest.fixture
async def server(settings: Settings, clock: FixedClock) -> AsyncIterator[Server]:
    """Intake, serving."""
    async with serving(settings, clock) as opened:
        yield opened


Connect = Callable[[str, str], grpc.aio.Channel]


def channel_to(
    server: Server, certificates: Certificates, role: str, name: str
) -> grpc.aio.Channel:
    """A channel of an identity to a server, to be closed."""
    files: dict[str, Any] = dict(certificates.settings_for(role, name))
    return open_channel(server.address, TlsSettings(**files))


@pytest.fixture
async def connect(server: Server, certificates: Certificates) -> AsyncIterator[Connect]:
    """`connect("finance", "local")`: a channel of that identity to the server."""
    async with AsyncExitStack() as stack:

        def channel(role: str, name: str) -> grpc.aio.Channel:
            opened = channel_to(server, certificates, role, name)
            stack.push_async_callback(opened.close)
            return opened

        yield channel


async def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits until something holds; fails if it does not in time."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  nobody there can tell us
            await asyncio.sleep(0.02)
