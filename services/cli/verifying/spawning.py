"""Sharing work with processes that begin empty, where no copy of this one may begin."""

from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from services.cli.verifying.sharing import LOST, Job, Progress, processors


def share_with_new(jobs: Sequence[Job], progress: Progress) -> list[Any]:
    """As `share`."""
    next_job = get_context("spawn").Value("q", 0)
    others = [_New(jobs, next_job) for _ in range(min(processors(), len(jobs)) - 1)]
    done: dict[int, Any] = {}
    for number in _taken(next_job, len(jobs)):
        progress(number, len(jobs))
        done[number] = jobs[number]()
    for other in others:
        done |= other.result()
    return [done[number] for number in range(len(jobs))]


class _New:
    """Another process, which sends what its jobs return when it is done."""

    def __init__(self, jobs: Sequence[Job], next_job: "Synchronized[int]") -> None:
        context = get_context("spawn")
        self._results, sending = context.Pipe(duplex=False)
        # A daemon ends with this process, however that ends.
        self._process = context.Process(
            target=_take_part, args=(sending, jobs, next_job), daemon=True
        )
        self._process.start()
        sending.close()

    def result(self) -> Any:
        """Waits for it. Raises ChildProcessError."""
        try:
            return self._results.recv()
        except EOFError:
            raise ChildProcessError(LOST) from None
        finally:
            self._process.join()


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
