"""The local mesh: PostgreSQL, certificates and the services, started, watched and stopped.

    async with Mesh(Path(".watersmeet")) as mesh:
        mesh.state.address("donations")

Everything that it starts is gone when it ends, and also when its process is killed. It must be used
from the main thread, because the kernel takes the thread that starts a child for its parent.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority
from services.runtime.supervisor.databases import DatabaseUrls
from services.runtime.supervisor.directory import DirectoryLock, open_directory
from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.health import Health
from services.runtime.supervisor.parts import Part, PostgresPart, ServicePart
from services.runtime.supervisor.postgres import PostgresServer
from services.runtime.supervisor.preparation import (
    TRUST_DOMAIN,
    MakePlatforms,
    prepare_certificates,
    prepare_donations,
    prepare_ledger,
)
from services.runtime.supervisor.process import Process, describe_exit, failure
from services.runtime.supervisor.restarts import RestartBudget
from services.runtime.supervisor.services import (
    STAGES,
    Service,
    ServicePorts,
    Stages,
    environment_of,
)
from services.runtime.supervisor.state import MeshState, ServiceAddresses

Report = Callable[[str, str], None]
"""Called with a part's name and what happened to it, for people: ("ledger", "is ready at …")."""


class Mesh:
    """One mesh in one state directory, for as long as the `async with` block runs.

    make_platforms: called with the folder `platforms` before anything starts; what it writes to
        platforms.toml there is what the donations service trusts.
    report: hears of everything that happens to a part.

    Entering raises MeshError if the mesh cannot start, and leaves nothing behind then. If a part
    ends more often than its budget allows, the block is cancelled, everything is stopped, and
    leaving the block raises MeshError with the reason and the log's place.
    """

    def __init__(
        self,
        directory: Path,
        *,
        stages: Stages = STAGES,
        make_platforms: MakePlatforms | None = None,
        report: Report | None = None,
        budget: Callable[[], RestartBudget] = RestartBudget,
    ) -> None:
        self.directory = directory.absolute()
        self._stages = stages
        self._services = [service for stage in stages for service in stage]
        self._make_platforms = make_platforms
        self._report = report or _ignore
        self._budget = budget
        self._lock: DirectoryLock | None = None
        self._ports: dict[str, ServicePorts] = {}
        self._parts: dict[str, Part] = {}
        self._started: list[list[Part]] = []
        self._ready: dict[str, asyncio.Event] = {}
        self._watchers = asyncio.TaskGroup()
        self._watching: list[asyncio.Task[None]] = []
        self.restarts: dict[str, int] = {}
        """How often each part has been restarted, by name."""

    async def __aenter__(self) -> Self:
        if sys.platform != "linux":
            raise MeshError("a local mesh needs Linux, to leave nothing behind when it is killed")
        open_directory(self.directory)
        self._lock = DirectoryLock(self.directory)
        await self._watchers.__aenter__()
        try:
            await self._start()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._watching:
            task.cancel()
        try:
            async with _first_error():
                await self._watchers.__aexit__(kind, error, trace)
        finally:
            await self._stop()

    @property
    def state(self) -> MeshState:
        """Addresses and certificates; the same as mesh.json says."""
        services = {
            name: ServiceAddresses(
                address=ports.grpc.address,
                metrics=ports.metrics.address,
                http=ports.http.address if ports.http is not None else None,
            )
            for name, ports in self._ports.items()
        }
        return MeshState(self.directory, os.getpid(), TRUST_DOMAIN, services)

    @property
    def pids(self) -> Mapping[str, int]:
        """Process ids by part: the services, and "postgres" if it is ours."""
        return {name: part.process.pid for name, part in self._parts.items()}

    def kill(self, name: str) -> None:
        """Kills a part with SIGKILL, to see it come back (`wait_ready`)."""
        self._ready[name].clear()
        self._parts[name].process.kill()

    async def wait_ready(self, name: str) -> None:
        """Waits until a part is ready, perhaps again."""
        await self._ready[name].wait()

    async def _start(self) -> None:
        MeshState.remove(self.directory)  # of one that was killed
        authority = prepare_certificates(self.directory, (s.name for s in self._services))
        settings = {
            "donations": prepare_donations(self.directory, self._make_platforms),
            "ledger": prepare_ledger(self.directory),
        }
        server = await self._start_postgres()
        for service in self._services:
            self._ports[service.name] = ServicePorts.reserve(service)
        for stage in self._stages:
            parts = [self._part(service, authority, server, settings) for service in stage]
            await self._start_together(parts)
        self.state.save()

    async def _start_postgres(self) -> PostgresServer | None:
        """Starts it, unless the user's environment names a real server for each service."""
        if all(_database_setting(s) in os.environ for s in self._services if s.has_database):
            return None
        server = PostgresServer(self.directory)
        await self._start_together([PostgresPart(server)])
        return server

    def _part(
        self,
        service: Service,
        authority: Authority,
        server: PostgresServer | None,
        settings: Mapping[str, Mapping[str, str]],
    ) -> Part:
        database: DatabaseUrls | None = None
        if service.has_database and _database_setting(service) not in os.environ:
            assert server is not None, "it is started where a service needs it"
            database = server.database(service.name)
        environment = environment_of(
            service,
            self._ports,
            authority.issue(Caller(Role.SERVICE, service.name)),
            database,
            settings.get(service.name, {}),
        )
        process = Process(
            service.name,
            service.command_line(),
            environment=environment,
            log=self.directory / "logs" / f"{service.name}.log",
        )
        health = Health(
            self._ports[service.name].grpc.address,
            authority.issue(Caller(Role.SERVICE, "supervisor")),
        )
        return ServicePart(process, health)

    async def _start_together(self, parts: list[Part]) -> None:
        self._started.append(parts)
        for part in parts:
            self._parts[part.name] = part
            self._ready[part.name] = asyncio.Event()
        async with _first_error(), asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(self._start_one(part))

    async def _start_one(self, part: Part) -> None:
        self._report(part.name, "starts")
        await part.start()
        self._is_ready(part)
        self._watching.append(self._watchers.create_task(self._watch(part)))

    async def _watch(self, part: Part) -> None:
        """Restarts a part whenever it ends. Raises MeshError when it ends too often."""
        budget = self._budget()
        while True:
            what = describe_exit(await part.process.exited())
            self._ready[part.name].clear()
            delay_s = budget.spend(time.monotonic())
            if delay_s is None:
                restarts = f"{budget.restarts_max} restarts within {budget.window_s:.0f} s"
                raise failure(part.process, f"{part.name} {what}, after {restarts}")
            self._report(part.name, f"{what}; it is started again in {delay_s:.1f} s")
            await asyncio.sleep(delay_s)
            self.restarts[part.name] = self.restarts.get(part.name, 0) + 1
            try:
                await part.start()
            except MeshError as error:
                self._report(part.name, str(error))
                part.process.kill()  # one that runs without becoming ready has ended, for us
            else:
                self._is_ready(part)

    def _is_ready(self, part: Part) -> None:
        self._ready[part.name].set()
        ports = self._ports.get(part.name)
        self._report(part.name, f"is ready at {ports.grpc.address}" if ports else "is ready")

    async def _stop(self) -> None:
        """Stops what runs, in the reverse order of its start. Any state, also half started."""
        MeshState.remove(self.directory)
        while self._started:
            await asyncio.gather(*map(self._stop_one, self._started.pop()))
        for ports in self._ports.values():
            ports.close()
        self._parts, self._ports = {}, {}
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _stop_one(self, part: Part) -> None:
        await part.stop()
        self._report(part.name, "has stopped")


def _ignore(part: str, event: str) -> None:
    """A Report that nobody hears."""


def _database_setting(service: Service) -> str:
    return f"{service.prefix}DATABASE_URL"


@contextlib.asynccontextmanager
async def _first_error() -> AsyncIterator[None]:
    """Raises the first of the errors of a task group by itself: one is what a user can act on."""
    try:
        yield
    except BaseExceptionGroup as group:
        error = group.exceptions[0]
        raise error from error.__cause__
