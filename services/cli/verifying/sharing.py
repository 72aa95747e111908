"""Work that several processes share: whoever is done takes the next job."""

import os
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

Job = Callable[[], Any]
Progress = Callable[[int, int], None]
"""Called with how many jobs of how many are begun."""

_THREADS = Path("/proc/self/task")


def is_alone() -> bool:
    """Whether it is known that this process has one thread.

    Only then a copy of it may begin, which has all in memory at once: the copy of a lock that
    another thread holds would never be opened.
    """
    return _THREADS.is_dir() and len(list(_THREADS.iterdir())) == 1


class Beside:
    """A job that another process does meanwhile, where a copy of this one may; or else this one,
    when it is asked for the result.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._other = _Other(get_context("fork"), _send, job) if is_alone() else None

    def result(self) -> Any:
        """What the job returns. Raises ChildProcessError if the process ended before."""
        return self._other.result() if self._other else self._job()


def share(jobs: Sequence[Job], progress: Progress) -> list[Any]:
    """Does jobs, as many at a time as there are processors; returns what they return, in order.

    This process takes its part and is not idle. Raises ChildProcessError if another one of them
    ends before its work does, and what a job raises here.
    """
    context = get_context("fork") if is_alone() else get_context("spawn")
    next_job = context.Value("q", 0)
    processes = min(os.cpu_count() or 1, len(jobs))
    others = [_Other(context, _take_part, jobs, next_job) for _ in range(processes - 1)]
    done: dict[int, Any] = {}
    for number in _taken(next_job, len(jobs)):
        progress(number, len(jobs))
        done[number] = jobs[number]()
    for other in others:
        done |= other.result()
    return [done[number] for number in range(len(jobs))]


class _Other:
    """Another process, which sends its result when it is done."""

    def __init__(
        self, context: ForkContext | SpawnContext, target: Callable[..., None], *args: object
    ) -> None:
        self._result, sending = context.Pipe(duplex=False)
        # A daemon ends with this process, however that ends.
        self._process = context.Process(target=target, args=(sending, *args), daemon=True)
        self._process.start()
        sending.close()

    def result(self) -> Any:
        try:
            return self._result.recv()
        except EOFError:
            raise ChildProcessError(
                "a process that shared the work ended before it; verify again"
            ) from None
        finally:
            self._process.join()


def _send(results: Connection, job: Job) -> None:
    results.send(job())


def _take_part(results: Connection, jobs: Sequence[Job], next_job: "Synchronized[int]") -> None:
    results.send({number: jobs[number]() for number in _taken(next_job, len(jobs))})


def _taken(next_job: "Synchronized[int]", count: int) -> Iterator[int]:
    """The jobs that this process takes."""
    while True:
        with next_job.get_lock():
            number = next_job.value
            next_job.value += 1
        if number >= count:
            return
        yield number
