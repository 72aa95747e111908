"""`watersmeet up` with the real services: killed from below, killed itself, and stopped."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.state import MeshState
from tests.support.meshes import processes_of, wait_until

STATE = "a state directory"


@pytest.fixture
def anywhere(tmp_path: Path) -> Path:
    """A working directory with folders that only look like ours."""
    for name in ("services", "watersmeet", "grpc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not this one')")
    return tmp_path


class Up:
    """`watersmeet up` in a process of its own."""

    def __init__(self, anywhere: Path) -> None:
        self.state = anywhere / STATE
        self.process = subprocess.Popen(
            (str(Path(sys.executable).with_name("watersmeet")), "up", "--state", STATE),
            cwd=anywhere,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def ready(self) -> bool:
        assert self.process.poll() is None, self.output()
        try:
            return MeshState.load(self.state).pid == self.process.pid
        except MeshError:
            return False

    def pid_of(self, service: str) -> int | None:
        found = processes_of(self.state)
        pids = [pid for pid, command in found.items() if f"-m services.{service}" in command]
        return pids[0] if pids else None

    def kill_service(self, service: str) -> None:
        """Returns when there is another one."""
        before = self.pid_of(service)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.pid_of(service) not in (before, None), 20)

    def serves(self) -> bool:
        """Whether the page answers: the gateway follows the ledger, which has its database."""
        try:
            with urllib.request.urlopen(f"{MeshState.load(self.state).http_url}/v1/totals") as page:
                return bool(page.status == 200)
        except OSError:
            return False

    def output(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def up(anywhere: Path) -> Iterator[Up]:
    up = Up(anywhere)
    wait_until(up.ready, 60)
    yield up
    up.kill()


def test_a_killed_service_comes_back(up: Up) -> None:
    assert up.serves()
    for service in ("ledger", "gateway"):
        up.kill_service(service)
    wait_until(up.serves, 20)


def test_killed_it_leaves_nothing_and_is_taken_over(up: Up, anywhere: Path) -> None:
    assert up.pid_of("donations") is not None
    up.kill()
    wait_until(lambda: not processes_of(anywhere))
    again = Up(anywhere)
    try:
        wait_until(again.ready, 60)
        assert again.serves()
    finally:
        again.kill()


def test_a_second_one_is_refused_and_ctrl_c_stops_the_first(up: Up, anywhere: Path) -> None:
    second = Up(anywhere)
    assert second.process.wait(20) == 1
    assert "a mesh runs in" in second.output()
    second.kill()
    assert up.ready()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) == 0
    assert "The mesh has stopped." in up.output()
    assert processes_of(anywhere) == {}
    assert not (anywhere / STATE / "mesh.json").exists()
