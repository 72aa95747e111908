"""What is left when the supervisor, or what it runs, is killed with -9."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.mesh import Mesh
from services.runtime.supervisor.state import MeshState
from tests.support.meshes import environment_of, processes_of, stand_ins, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


class Supervisors:
    """Runs meshes of stand-ins in processes of their own, which may be killed."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, directory: Path) -> subprocess.Popen[bytes]:
        """Returns when the mesh is ready."""
        supervisor = subprocess.Popen(
            (sys.executable, "-m", "tests.support.meshes", str(directory)),
            cwd=ROOT,
            start_new_session=True,
        )
        self.started.append(supervisor)

        def ready() -> bool:
            assert supervisor.poll() is None, "the supervisor ended"
            try:
                return MeshState.load(directory).pid == supervisor.pid
            except MeshError:
                return False

        wait_until(ready, 60)
        return supervisor


@pytest.fixture
def supervisors() -> Iterator[Supervisors]:
    supervisors = Supervisors()
    yield supervisors
    for supervisor in supervisors.started:
        supervisor.kill()
        supervisor.wait()


def test_a_killed_supervisor_leaves_no_process_behind(
    supervisors: Supervisors, tmp_path: Path
) -> None:
    supervisor = supervisors.start(tmp_path / "state")
    running = " ".join(processes_of(tmp_path).values())
    for part in ("postgres", "donations", "ledger", "gateway"):
        assert part in running
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not processes_of(tmp_path))
    with pytest.raises(MeshError, match="was killed"):
        MeshState.load(tmp_path / "state")


def test_what_a_killed_supervisor_left_is_taken_over(
    supervisors: Supervisors, tmp_path: Path
) -> None:
    first = supervisors.start(tmp_path / "state")
    certificate = (tmp_path / "state" / "certs" / "ca.crt").read_bytes()
    first.kill()
    first.wait()
    second = supervisors.start(tmp_path / "state")  # at once: the old PostgreSQL may still be going
    assert MeshState.load(tmp_path / "state").pid == second.pid
    assert (tmp_path / "state" / "certs" / "ca.crt").read_bytes() == certificate
    second.send_signal(signal.SIGINT)
    second.wait(30)
    assert processes_of(tmp_path) == {}


def test_a_lock_file_that_names_a_living_stranger_is_taken_over(
    supervisors: Supervisors, tmp_path: Path
) -> None:
    """After a power cut, the process id in postmaster.pid may be anyone's."""
    supervisor = supervisors.start(tmp_path / "state")
    lock = tmp_path / "state" / "postgres" / "postmaster.pid"
    left = lock.read_text()
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not processes_of(tmp_path))
    assert not lock.exists()
    _, *rest = left.splitlines()
    lock.write_text("\n".join((str(os.getpid()), *rest)) + "\n")
    mesh_json = tmp_path / "state" / "mesh.json"
    mesh_json.write_text(json.dumps(json.loads(mesh_json.read_text()) | {"pid": os.getpid()}))
    supervisors.start(tmp_path / "state")


def test_killing_one_of_two_meshes_does_not_touch_the_other(
    supervisors: Supervisors, tmp_path: Path
) -> None:
    killed = supervisors.start(tmp_path / "one")
    supervisors.start(tmp_path / "two")
    before = processes_of(tmp_path / "two").keys()
    killed.kill()
    killed.wait()
    wait_until(lambda: not processes_of(tmp_path / "one"))
    assert processes_of(tmp_path / "two").keys() >= before


async def test_a_killed_postgres_comes_back_with_what_was_committed(tmp_path: Path) -> None:
    async with Mesh(tmp_path / "state", stages=stand_ins(database=True)) as mesh:
        told = environment_of(mesh.pids["ledger"])
        url = told["WATERSMEET_LEDGER_MIGRATION_DATABASE_URL"]
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
        services = {name: pid for name, pid in mesh.pids.items() if name != "postgres"}
        mesh.kill("postgres")
        await asyncio.wait_for(mesh.wait_ready("postgres"), 20)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT id FROM kept").fetchone() == (1,)
        assert services.items() <= mesh.pids.items(), "the services went on"
