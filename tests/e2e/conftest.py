"""Whole meshes, driven by the command that people use."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

_TIMEOUT_S = 110

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
