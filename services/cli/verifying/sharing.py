"""Work that several processes share: whoever is done takes the next job."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any, NoReturn

Job = Callable[[], Any]
Progress = Callable[[int, int], None]
"""Called with how many jobs of how many are begun."""

LOST = "a process that shared the work ended before it; verify again"

_THREADS = "/proc/self/task"
_NUMBER_BYTES = 8
_NUMBERS_MAX = 512
"""As many as any pipe holds before anybody reads: Linux makes the pipes small of who has many."""


def is_alone() -> bool:
    """Whether it is known that this process has one thread.

    Only then a copy of it may begin, which has all in memory at once: the copy of a lock that
    another thread holds would never be opened.
    """
    return os.path.isdir(_THREADS) and len(os.listdir(_THREADS)) == 1


def processors() -> int:
    """How many this process may use; where the system does not say, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Beside:
    """A job that a copy of this process does meanwhile, where one may and can begin; or else this
    process, when it is asked for the result. To be entered: at the end the copy ends, done or not.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._copy = _copy_for(job) if is_alone() else None

    def __enter__(self) -> "Beside":
        return self

    def __exit__(self, *_: object) -> None:
        if self._copy:
            self._copy.end()

    def result(self) -> Any:
        """What the job returns. Raises ChildProcessError if the copy ended before, and OSError if
        the job does.
        """
        return self._copy.result() if self._copy else self._job()


def share(jobs: Sequence[Job], progress: Progress) -> list[Any]:
    """Does jobs, as many at a time as there are processors; returns what they return, in order.

    This process takes its part and is not idle, and does all where no other can begin. Raises
    ChildProcessError if another one of them ends before its work does, OSError if a job does, and
    what a job raises here.
    """
    if not is_alone():
        from services.cli.verifying.spawning import share_with_new

        return share_with_new(jobs, progress)
    with ExitStack() as ending:
        reading = _numbers(len(jobs))
        ending.callback(os.close, reading)
        me = os.getpid()

        def part() -> dict[int, Any]:
            taken = _taken(reading, len(jobs))
            # Whoever asked may have been killed: nobody wants the rest.
            return {number: jobs[number]() for number in taken if os.getppid() == me}

        others: list[_Copy] = []
        while len(others) < min(processors(), len(jobs)) - 1 and (other := _copy_for(part)):
            ending.callback(other.end)
            others.append(other)
        done: dict[int, Any] = {}
        for number in _taken(reading, len(jobs)):
            progress(number, len(jobs))
            done[number] = jobs[number]()
        for other in others:
            done |= other.result()
    return [done[number] for number in range(len(jobs))]


def _numbers(count: int) -> int:
    """A pipe that holds the numbers of the jobs; of very many, of each group's first one.

    Who reads one has it for himself, and nobody waits for one who ended in between.
    """
    reading, writing = os.pipe()
    with open(writing, "wb") as numbers:
        for number in range(0, count, _group(count)):
            numbers.write(number.to_bytes(_NUMBER_BYTES, "little"))
    return reading


def _group(count: int) -> int:
    return max(1, -(-count // _NUMBERS_MAX))


def _taken(reading: int, count: int) -> Iterator[int]:
    """The jobs that this process takes."""
    while number := os.read(reading, _NUMBER_BYTES):
        begin = int.from_bytes(number, "little")
        yield from range(begin, min(begin + _group(count), count))


def _copy_for(job: Job) -> "_Copy | None":
    """A copy for a job; None if the system has no room for one."""
    with suppress(OSError):
        return _Copy(job)
    return None


class _Copy:
    """A copy of this process, which sends what a job returns when it is done.

    Ctrl-C, which reaches both, is the original's: it ends the copy.
    """

    def __init__(self, job: Job) -> None:
        """Raises OSError."""
        reading, writing = os.pipe()
        self._results = open(reading, "rb")  # noqa: SIM115  closed in _close()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = os.fork()
            if not self._process:
                _do(job, writing)
        except OSError:
            self._results.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(writing)

    def result(self) -> Any:
        """Waits for it. Raises ChildProcessError, and OSError if the job does."""
        import pickle

        try:
            result, error = pickle.load(self._results)  # noqa: S301  our own
        except (EOFError, pickle.UnpicklingError):
            self._close()
            raise ChildProcessError(LOST) from None
        self._close()
        if error is not None:
            raise error
        return result

    def end(self) -> None:
        """Ends it, if it has not yet."""
        if not self._results.closed:
            with suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
            self._close()

    def _close(self) -> None:
        self._results.close()
        # A process whose parent ignores what becomes of its own has nobody to wait for.
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)


def _do(job: Job, writing: int) -> NoReturn:
    """What a copy does, and nothing else: what it has of its original is the original's to end."""
    status = 1
    try:
        import pickle

        with open(writing, "wb") as results:
            try:
                told: tuple[Any, OSError | None] = job(), None
            except OSError as error:
                told = None, error
            pickle.dump(told, results, pickle.HIGHEST_PROTOCOL)
        status = 0
    except BrokenPipeError:
        pass  # nobody wants it any more
    except BaseException:  # noqa: BLE001  nobody else tells it
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)
