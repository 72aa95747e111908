"""Whole meshes, driven by the command that people use."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.state import MeshState

_TIMEOUT_S = 110
_START_TIMEOUT_S = 60.0

Command = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def watersmeet(tmp_path: Path) -> Command:
    """Starts `watersmeet …` in the test's own folder."""
    return starter(tmp_path)


def starter(folder: Path) -> Command:
    """Starts `watersmeet …` in a folder, without the settings of whoever runs the tests."""
    environment: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith("WATERSMEET_")
    }

    def start(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", *map(str, arguments)],
            cwd=folder,
            env={**environment, "COLUMNS": "160"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit status and everything that it printed."""
    output, _ = process.communicate(timeout=_TIMEOUT_S)
    return process.returncode, output


@contextmanager
def running_mesh(folder: Path) -> Iterator[MeshState]:
    """A mesh of `watersmeet up`, with its state in `folder/state`, for as long as the block."""
    process = starter(folder)("up", "--state", folder / "state")
    try:
        yield _started(process, folder / "state")
    finally:
        process.terminate()
        finish(process)


def _started(process: subprocess.Popen[str], state: Path) -> MeshState:
    give_up = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            return MeshState.load(state)
        except MeshError:
            assert process.poll() is None, finish(process)
            assert time.monotonic() < give_up, "the mesh does not start"
            time.sleep(0.1)
