"""mesh.json: what is written is what clients read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority
from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.state import MeshState, ServiceAddresses


def state_in(directory: Path, pid: int | None = None) -> MeshState:
    services = {
        "donations": ServiceAddresses("127.0.0.1:1001", "127.0.0.1:1002"),
        "gateway": ServiceAddresses("127.0.0.1:1003", "127.0.0.1:1004", "127.0.0.1:1005"),
    }
    return MeshState(directory, pid or os.getpid(), "watersmeet", services)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    state_in(tmp_path).save()
    loaded = MeshState.load(tmp_path)
    assert loaded == state_in(tmp_path)
    assert loaded.address("donations") == "127.0.0.1:1001"
    assert loaded.http_url == "http://127.0.0.1:1005"
    stored = json.loads((tmp_path / "mesh.json").read_text())
    assert stored["services"]["donations"] == {
        "address": "127.0.0.1:1001",
        "metrics": "127.0.0.1:1002",
    }


def test_where_no_mesh_runs_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="watersmeet up"):
        MeshState.load(tmp_path)


def test_a_killed_mesh_is_no_mesh(tmp_path: Path) -> None:
    with subprocess.Popen((sys.executable, "-S", "-c", "")) as gone:
        pass
    state_in(tmp_path, pid=gone.pid).save()
    with pytest.raises(MeshError, match="was killed"):
        MeshState.load(tmp_path)


def test_an_unknown_service_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="'bank', only donations, gateway"):
        state_in(tmp_path).address("bank")


def test_credentials_are_the_callers_own(tmp_path: Path) -> None:
    files = Authority(tmp_path / "certs").issue(Caller(Role.PARTNER, "weibo"))
    assert state_in(tmp_path).credentials("partner", "weibo") == (
        files.ca_file.read_bytes(),
        files.certificate_file.read_bytes(),
        files.key_file.read_bytes(),
    )
    with pytest.raises(MeshError, match="watersmeet certs issue partner xiaomi"):
        state_in(tmp_path).credentials("partner", "xiaomi")
