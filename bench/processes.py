"""Processes of their own for clients, writers and reference servers, so that nothing that is
measured shares an interpreter with something else.
"""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any, Protocol

from services.runtime.collector import calm_collector

_SPAWN = multiprocessing.get_context("spawn")
_READY = "ready"
_STOP_S = 10.0


class Job(Protocol):
    """Work for one process. It is pickled on the way."""

    def run(self, go: Callable[[], None]) -> Any:
        """Prepares, calls go once, which returns when all may begin, and works.

        Returns how much was done, or what came of it.
        """


class Server(Protocol):
    """A server for one process. It is pickled on the way."""

    async def start(self) -> int:
        """Listens on the loopback address; returns the port."""

    async def stop(self) -> None:
        """Stops."""


class JobFailed(Exception):
    """A job's process raised, or died."""


class Crew:
    """Jobs that are prepared and wait for the word."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    async def prepared(self) -> None:
        """Waits until all are. Raises JobFailed."""
        await asyncio.gather(*(asyncio.to_thread(_receive, pipe) for pipe in self._pipes))

    async def work(self) -> list[int]:
        """Lets all begin; returns how much each did, when the last is done. Raises JobFailed."""
        return [int(each) for each in await self.outcomes()]

    async def outcomes(self) -> list[Any]:
        """The same, with whatever each returned."""
        for pipe in self._pipes:
            pipe.send(None)
        receiving = (asyncio.to_thread(_receive, pipe) for pipe in self._pipes)
        return list(await asyncio.gather(*receiving))


@asynccontextmanager
async def crew(jobs: Sequence[Job]) -> AsyncIterator[Crew]:
    """Starts a process a job, and waits until all are prepared. They are gone after the block."""
    started = [_start(_work, job) for job in jobs]
    try:
        together = Crew([pipe for _, pipe in started])
        await together.prepared()
        yield together
    finally:
        for process, pipe in started:
            _end(process, pipe)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[int]:
    """Runs a server in a process of its own for as long as the block runs; gives its port."""
    process, pipe = _start(_serve, server)
    try:
        yield await asyncio.to_thread(_receive, pipe)
    finally:
        _end(process, pipe)


def _start(target: Callable[..., None], task: object) -> tuple[Any, Connection]:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=target, args=(task, theirs), daemon=True)
    process.start()
    theirs.close()  # so that its death is heard here
    return process, ours


def _end(process: Any, pipe: Connection) -> None:
    pipe.close()
    process.join(0.5)
    if process.is_alive():
        process.terminate()
        process.join(_STOP_S)
    if process.is_alive():
        process.kill()
        process.join()


def _receive(pipe: Connection) -> Any:
    try:
        answer = pipe.recv()
    except EOFError:
        raise JobFailed("a process of the benchmark died") from None
    if isinstance(answer, JobFailed):
        raise answer
    return answer


def _work(job: Job, pipe: Connection) -> None:
    def go() -> None:
        calm_collector()  # else it looks at all that was prepared, time and again
        pipe.send(_READY)
        pipe.recv()  # raises EOFError, and ends this process, if the benchmark died

    try:
        pipe.send(job.run(go))
    except Exception as error:
        pipe.send(JobFailed(f"{type(job).__name__}: {type(error).__name__}: {error}"))
        raise


def _serve(server: Server, pipe: Connection) -> None:
    async def serve() -> None:
        over = asyncio.Event()
        pipe_number = pipe.fileno()
        asyncio.get_running_loop().add_reader(pipe_number, over.set)
        try:
            pipe.send(await server.start())
        except Exception as error:
            pipe.send(JobFailed(f"{type(server).__name__}: {type(error).__name__}: {error}"))
            raise
        await over.wait()  # the other end was closed
        asyncio.get_running_loop().remove_reader(pipe_number)
        await server.stop()

    calm_collector()  # as a service's
    asyncio.run(serve())
