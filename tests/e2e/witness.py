"""Sends to a mesh, and gathers what the mesh says and keeps."""

from collections.abc import Awaitable
from typing import Any
from urllib.parse import quote

import aiohttp
import grpc
import psycopg

from services.donations.platforms.protocol import Notice
from services.runtime.supervisor.mesh import Mesh
from tests.support.meshes import environment_of


class Witness:
    """Sends, and keeps all that is said in answer to what is refused."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.said: list[str] = []
        self.refused = 0

    def channel(self, role: str, name: str, service: str = "donations") -> grpc.aio.Channel:
        ca, certificate, key = self.mesh.state.credentials(role, name)
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
        return grpc.aio.secure_channel(self.mesh.state.address(service), credentials)

    async def call(self, call: Awaitable[Any]) -> Any:
        """The answer; or None, and what the error says is kept."""
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            self.refused += 1
            self.said += [repr(error), str(error.details()), error.debug_error_string() or ""]
            for _, value in error.trailing_metadata() or ():
                self.said.append(value if isinstance(value, str) else value.decode("latin-1"))
            return None

    async def post(self, session: aiohttp.ClientSession, platform: str, notice: Notice) -> int:
        """Sends a notice as the platform does; returns the status."""
        url = f"{self.mesh.state.http_url}/callbacks/{quote(platform)}"
        url += f"?{notice.query}" if notice.query else ""
        headers = dict(notice.headers)
        async with session.request(
            notice.http_method, url, data=notice.body, headers=headers
        ) as answer:
            self.said += [await answer.text(), repr(answer.headers)]
            return answer.status


async def metrics_of(mesh: Mesh) -> dict[str, str]:
    found = {}
    async with aiohttp.ClientSession() as session:
        for name, addresses in mesh.state.services.items():
            async with session.get(f"http://{addresses.metrics}/metrics") as answer:
                found[f"metrics of {name}"] = await answer.text()
    return found


def tables_of(mesh: Mesh, service: str, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Every row of every table, as text; what is bytes, in hex."""
    name = f"WATERSMEET_{service.upper()}_MIGRATION_DATABASE_URL"
    found = {}
    with psycopg.connect(environment_of(mesh.pids[service])[name]) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            if table not in but:
                rows = connection.execute(f"SELECT t::text FROM {table} t".encode()).fetchall()
                found[f"table {service}.{table}"] = "\n".join(row for (row,) in rows)
    return found
