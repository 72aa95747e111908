"""One child process: started, watched and stopped, and gone when its supervisor is."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.log_tail import log_tail

_LAUNCH = Path(__file__).with_name("launch.py")
# How often a running child is asked whether it has ended.
_POLL_S = 0.05
# A log larger than this is set aside, once, when its process starts.
_LOG_BYTES_MAX = 32 * 1024 * 1024


class Process:
    """A command that runs in a process group of its own, with its output in a log file.

    command: absolute path of a program, and its arguments.
    environment: all of it; nothing is inherited.
    death_signal: what the kernel sends the child when the supervisor has died.
    stop_signal: what asks it to end in good order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        death_signal: signal.Signals = signal.SIGKILL,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self._command = tuple(command)
        self._environment = dict(environment)
        self._death_signal = death_signal
        self._stop_signal = stop_signal
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, for the first time or again. Returns at once.

        The kernel takes the thread that starts a child for its parent: when that thread ends, the
        child is killed. So only the main thread may. Raises MeshError from any other; OSError if
        the log cannot be written. A program that is not there says so in the log.
        """
        if threading.current_thread() is not threading.main_thread():
            raise MeshError(f"{self.name} can only be started from the main thread")
        assert self._child is None or self.exit_status() is not None, f"{self.name} runs already"
        with _open_log(self.log) as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own commands
                launch_command(self._command, self._death_signal),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the process that was started last, whether or not it still runs."""
        assert self._child is not None, f"{self.name} has not been started"
        return self._child.pid

    def exit_status(self) -> int | None:
        """None while it runs (or was never started); else its status, -N for signal N."""
        return self._child.poll() if self._child is not None else None

    async def exited(self) -> int:
        """Waits for its end, however long that takes; its status."""
        while (status := self.exit_status()) is None:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(_POLL_S)
        return status

    def kill(self) -> None:
        """Kills it and whatever it started, with no chance to tidy up. Does not wait."""
        self._signal(signal.SIGKILL)

    def stop(self, grace_s: float) -> bool:
        """Asks it to end, waits for grace_s seconds at most, then kills it.

        Blocks until it is gone. True if it ended by itself; also if it did not run.
        """
        if self._child is None or self._child.poll() is not None:
            return True
        self._child.send_signal(self._stop_signal)
        try:
            self._child.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._child.wait()
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._child is None or self._child.poll() is not None:
            return
        try:
            os.killpg(self._child.pid, number)
        except ProcessLookupError:
            self._child.poll()  # it ended in between


def launch_command(command: Sequence[str], death_signal: signal.Signals) -> tuple[str, ...]:
    """A command that becomes `command` and gets death_signal when the thread that starts it ends.

    command: begins with the absolute path of a program.
    """
    launcher = (sys.executable, "-I", "-S", str(_LAUNCH))
    return (*launcher, str(int(death_signal)), str(os.getpid()), *command)


def describe_exit(status: int) -> str:
    """An exit status in words: "ended with status 1", "was killed by SIGKILL"."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-status}"


def failure(process: Process, reason: str) -> MeshError:
    """An error that says why, where the process's log is, and how the log ends."""
    return MeshError(f"{reason}. Its log is {process.log}:\n{log_tail(process.log)}")


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")
