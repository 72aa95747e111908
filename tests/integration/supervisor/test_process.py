"""One child process: its log, its end, and what becomes of it when its parent is killed."""

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.process import Process, describe_exit, failure
from tests.support.meshes import processes_of, wait_until

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("begun", flush=True)
time.sleep(60)
"""
OBEDIENT = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
print("begun", flush=True)
time.sleep(60)
"""


class Children:
    """Makes processes that run a piece of Python, and sees to it that none survives the test."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.made: list[Process] = []

    def __call__(self, code: str, **environment: str) -> Process:
        command = (sys.executable, "-I", "-S", "-c", textwrap.dedent(code))
        process = Process("child", command, environment=environment, log=self.log)
        self.made.append(process)
        return process

    def begun(self) -> bool:
        return self.log.exists() and "begun" in self.log.read_text()


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    children = Children(tmp_path / "logs" / "child.log")
    yield children
    for process in children.made:
        process.kill()
        process.stop(0)


async def test_it_runs_with_its_environment_and_its_log(children: Children) -> None:
    process = children("import os, sys; print(os.environ['A'], 'PATH' in os.environ)", A="one")
    process.start()
    assert await asyncio.wait_for(process.exited(), 5) == 0
    assert children.log.read_text() == "one False\n"


async def test_it_can_be_started_again(children: Children) -> None:
    process = children("import os; print(os.getpid()); raise SystemExit(3)")
    pids = []
    for _ in range(2):
        process.start()
        pids.append(process.pid)
        assert await asyncio.wait_for(process.exited(), 5) == 3
    assert children.log.read_text().split() == [str(pid) for pid in pids]


def test_stopping_lets_it_end_by_itself(children: Children) -> None:
    process = children(OBEDIENT)
    process.start()
    wait_until(children.begun)
    assert process.exit_status() is None
    assert process.stop(5) is True
    assert process.exit_status() == 7


def test_what_does_not_stop_is_killed(children: Children) -> None:
    process = children(STUBBORN)
    process.start()
    wait_until(children.begun)
    assert process.stop(0.2) is False
    assert process.exit_status() == -signal.SIGKILL


def test_killing_takes_along_what_it_started(children: Children, tmp_path: Path) -> None:
    process = children(
        f"""
        import subprocess, sys
        subprocess.Popen((sys.executable, "-S", "-c", "import time; time.sleep(60) # {tmp_path}"))
        print("begun", flush=True)
        import time; time.sleep(60)
        """
    )
    process.start()
    wait_until(children.begun)
    assert processes_of(tmp_path)
    process.kill()
    wait_until(lambda: not processes_of(tmp_path))


def test_stopping_what_does_not_run_is_nothing(children: Children) -> None:
    process = children("pass")
    assert process.stop(1) is True
    process.start()
    assert process.stop(5) in (True, False)
    assert process.stop(1) is True


def test_only_the_main_thread_starts_children(children: Children) -> None:
    errors: list[MeshError] = []

    def start() -> None:
        try:
            children("pass").start()
        except MeshError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_its_parent_however_that_dies(tmp_path: Path, death: signal.Signals) -> None:
    parent = f"""
        import os, pathlib, time
        from services.runtime.supervisor.process import Process
        child = Process("child", ("/bin/sleep", "60"), environment={{"MARK": {str(tmp_path)!r}}},
                        log=pathlib.Path({str(tmp_path / "log")!r}))
        child.start()
        print("begun", flush=True)
        time.sleep(60)
    """
    command = (sys.executable, "-c", textwrap.dedent(parent))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"begun\n"
        wait_until(lambda: any("/bin/sleep" in line for line in processes_of(tmp_path).values()))
        running.send_signal(death)
    wait_until(lambda: not processes_of(tmp_path))


async def test_a_failure_shows_the_end_of_the_log(children: Children) -> None:
    process = children("for i in range(20): print('line', i)")
    process.start()
    await asyncio.wait_for(process.exited(), 5)
    error = str(failure(process, "it ended"))
    assert error.startswith(f"it ended. Its log is {children.log}:\n")
    assert error.endswith("  line 18\n  line 19")
    assert "line 1\n" not in error


async def test_a_program_that_is_not_there_says_so(tmp_path: Path) -> None:
    process = Process("child", ("/nowhere/program",), environment={}, log=tmp_path / "log")
    process.start()
    assert await asyncio.wait_for(process.exited(), 5) == 1
    assert "/nowhere/program" in (tmp_path / "log").read_text()


def test_a_large_log_is_set_aside(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.runtime.supervisor.process._LOG_BYTES_MAX", 10)
    children.log.parent.mkdir()
    children.log.write_text("more than ten bytes")
    process = children("print('new')")
    process.start()
    wait_until(lambda: process.exit_status() is not None)
    assert children.log.read_text() == "new\n"
    assert children.log.with_suffix(".log.1").read_text() == "more than ten bytes"


def test_exits_in_words() -> None:
    assert describe_exit(3) == "ended with status 3"
    assert describe_exit(-9) == "was killed by SIGKILL"
    assert describe_exit(-40) == "was killed by signal 40"
