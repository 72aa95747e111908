"""The parts of a running mesh, all alike: a name, a process, a way to start and to stop it."""

import asyncio
from typing import Protocol

from services.runtime.supervisor.health import Health
from services.runtime.supervisor.postgres import PostgresServer
from services.runtime.supervisor.process import Process

_READY_TIMEOUT_S = 60.0
# Longer than a service may take to let its calls finish.
_STOP_TIMEOUT_S = 15.0


class Part(Protocol):
    """Something that the mesh starts, watches, restarts and stops."""

    @property
    def name(self) -> str:
        """For people, and for `Mesh.kill`."""

    @property
    def process(self) -> Process:
        """Its process."""

    async def start(self) -> None:
        """Starts it, also again, and waits until it is ready. Main thread. Raises MeshError."""

    async def stop(self) -> None:
        """Stops it in good order, if it runs."""


class ServicePart:
    """A service: ready when its health says so."""

    def __init__(self, process: Process, health: Health) -> None:
        self.name = process.name
        self.process = process
        self._health = health

    async def start(self) -> None:
        """See Part."""
        self.process.start()
        await self._health.wait_serving(self.process, _READY_TIMEOUT_S)

    async def stop(self) -> None:
        """See Part."""
        await asyncio.to_thread(self.process.stop, _STOP_TIMEOUT_S)


class PostgresPart:
    """The private PostgreSQL: ready when it takes connections."""

    name = "postgres"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    @property
    def process(self) -> Process:
        """See Part."""
        assert self._server.process is not None, "it has not been started"
        return self._server.process

    async def start(self) -> None:
        """See Part."""
        await asyncio.to_thread(self._server.prepare)
        self._server.launch()
        await asyncio.to_thread(self._server.wait_ready)

    async def stop(self) -> None:
        """See Part."""
        await asyncio.to_thread(self._server.stop)
