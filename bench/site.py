"""The mesh that a row is measured on: new, durable, with a catalog, and gone afterwards."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from watersmeet.gateway.v1.totals_service_pb2 import GetTotalsRequest
from watersmeet.gateway.v1.totals_service_pb2_grpc import TotalsServiceStub

from services.cli.demonstration.catalog import open_occasion
from services.cli.simulator.keys import make_keys
from services.cli.simulator.occasion import Occasion, make_occasion
from services.cli.simulator.wire import Access, open_channel
from services.runtime.supervisor.databases import DatabaseUrls
from services.runtime.supervisor.mesh import Mesh
from services.runtime.supervisor.postgres import PostgresServer

if TYPE_CHECKING:
    from watersmeet.gateway.v1.totals_service_pb2_grpc import TotalsServiceAsyncStub

_DATABASES = ("donations", "ledger")
_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
_POLL_S = 0.01
_VISIBLE_TIMEOUT_S = 120.0
_CALL_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Site:
    """A mesh that runs.

    owner_url, ledger_owner_url: the donations and the ledger database as their owners.
    admin_url: the server as its superuser.
    occasion: the campaign and the projects in the catalog.
    """

    mesh: Mesh
    owner_url: str
    ledger_owner_url: str
    admin_url: str
    occasion: Occasion

    def access(self, service: str, role: str, name: str = "local") -> Access:
        """How one caller reaches one service."""
        state = self.mesh.state
        return Access(state.address(service), *state.credentials(role, name))

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects' codes."""
        return tuple(project.code for project in self.occasion.projects)

    async def checkpoint(self) -> None:
        """Writes out what earlier measurements left, so that none pays for another."""
        await asyncio.to_thread(self._checkpoint)

    async def wait_visible(self, gifts: int) -> None:
        """Returns when the gateway's totals count so many gifts; they are in the ledger then.

        Raises TimeoutError if they do not within two minutes, and RuntimeError if it has more.
        """
        async with (
            asyncio.timeout(_VISIBLE_TIMEOUT_S),
            open_channel(self.access("gateway", "finance")) as channel,
        ):
            stub: TotalsServiceAsyncStub = TotalsServiceStub(channel)
            while (seen := await _count(stub)) != gifts:
                if seen > gifts:
                    raise RuntimeError(f"the gateway counts {seen} gifts of {gifts}")
                await asyncio.sleep(_POLL_S)

    def _checkpoint(self) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")


async def _count(stub: "TotalsServiceAsyncStub") -> int:
    answer = await stub.GetTotals(GetTotalsRequest(), timeout=_CALL_TIMEOUT_S)
    return sum(row.count for row in answer.rows)


class Ground:
    """A database server, and a folder, on which one mesh after another may run."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self._folder = folder
        self._server = server
        self._urls = {name: server.database(name) for name in _DATABASES}
        self._occasion = make_occasion((datetime.now(UTC) - timedelta(days=1)).date())
        self._is_open = False

    @property
    def ledger_owner_url(self) -> str:
        """The ledger's database as its owner."""
        return self._urls["ledger"].owner

    @asynccontextmanager
    async def open_site(self) -> AsyncIterator[Site]:
        """Starts a mesh; the first one gets the catalog. Raises MeshError."""
        with _environment(self._urls):
            async with Mesh(self._folder / "mesh", make_platforms=make_keys) as mesh:
                site = Site(
                    mesh,
                    self._urls["donations"].owner,
                    self.ledger_owner_url,
                    self._server.url(),
                    self._occasion,
                )
                if not self._is_open:
                    await open_occasion(self._occasion, site.access("donations", "operator"))
                    self._is_open = True
                yield site


@asynccontextmanager
async def open_ground() -> AsyncIterator[Ground]:
    """Starts a server in a new folder of TMPDIR, with the settings that the supervisor has.

    It is started here and not by the mesh, because the references need roles in it.
    Raises RuntimeError if its settings are not durable.
    """
    with tempfile.TemporaryDirectory(prefix="watersmeet-bench-") as folder:
        server = PostgresServer(Path(folder) / "database")
        server.start()
        try:
            require_durable(server.url())
            yield Ground(Path(folder), server)
        finally:
            server.stop()


@asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    """Starts a mesh on ground of its own. Raises RuntimeError as `open_ground`, and MeshError."""
    async with open_ground() as ground, ground.open_site() as site:
        yield site


def require_durable(url: str) -> None:
    """Raises RuntimeError if the server may forget what it acknowledged."""
    with psycopg.connect(url) as connection:
        for name in _DURABLE:
            row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            if row != ("on",):
                raise RuntimeError(f"{name} is {row and row[0]}, and the figures need it on")


@contextmanager
def _environment(urls: Mapping[str, DatabaseUrls]) -> Iterator[None]:
    """Tells the mesh, by the environment as a user would, which databases to use."""
    told = {}
    for name, url in urls.items():
        told[f"WATERSMEET_{name.upper()}_DATABASE_URL"] = url.service
        told[f"WATERSMEET_{name.upper()}_MIGRATION_DATABASE_URL"] = url.owner
    before = {key: os.environ.get(key) for key in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
