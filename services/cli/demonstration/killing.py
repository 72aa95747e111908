"""Killing services in the middle of it all, and seeing them come back."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.runtime.supervisor.mesh import Mesh

# How often progress is looked at.
_POLL_S = 0.02
_RETURN_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill with SIGKILL.

    progress: the part of all reports, 0 to 1, that were answered when it happened.
    pid_after: the process that serves now; None if none does. away_s: until it was ready again.
    """

    service: str
    progress: float
    pid_before: int
    pid_after: int | None
    away_s: float

    @property
    def came_back(self) -> bool:
        """Whether another process serves in its place."""
        return self.pid_after is not None and self.pid_after != self.pid_before


async def kill_on_the_way(
    mesh: Mesh, services: Sequence[str], progress: Callable[[], float]
) -> list[Kill]:
    """Kills services one after another, spread over the way, and waits for each to be ready again.

    progress: the part of the way that is done, 0 to 1.
    """
    kills = []
    for number, service in enumerate(services, 1):
        while progress() < number / (len(services) + 1):  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(_POLL_S)
        kills.append(await _kill(mesh, service, progress()))
    return kills


async def _kill(mesh: Mesh, service: str, progress: float) -> Kill:
    before, start = mesh.pids[service], time.monotonic()
    mesh.kill(service)
    after: int | None = None
    try:
        async with asyncio.timeout(_RETURN_TIMEOUT_S):
            await mesh.wait_ready(service)
        after = mesh.pids[service]
    except TimeoutError:
        pass  # said by the kill's own check
    return Kill(service, progress, before, after, time.monotonic() - start)
