"""A mesh of stand-ins, with real processes, certificates, health and PostgreSQL."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.mesh import Mesh
from services.runtime.supervisor.preparation import PARTNERS
from services.runtime.supervisor.restarts import RestartBudget
from services.runtime.supervisor.state import MeshState
from tests.support.databases import DatabaseFactory
from tests.support.meshes import environment_of, processes_of, stand_ins


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state directory with a space, and longer than a unix socket's path may be."""
    return tmp_path / "a state directory" / ("long" * 25)


@pytest.fixture
async def mesh(directory: Path) -> AsyncIterator[Mesh]:
    def make_platforms(folder: Path) -> None:
        (folder / "platforms.toml").touch()

    async with Mesh(directory, stages=stand_ins(), make_platforms=make_platforms) as mesh:
        yield mesh
    assert processes_of(directory) == {}


async def test_what_clients_need_is_in_the_state_directory(mesh: Mesh, directory: Path) -> None:
    state = MeshState.load(directory)
    assert state == mesh.state
    assert state.pid == os.getpid()
    assert set(state.services) == {"donations", "ledger", "gateway"}
    for partner in PARTNERS:
        assert all(state.credentials("partner", partner))
    assert all(state.credentials("finance", "local"))
    assert all(state.credentials("operator", "local"))
    assert len((directory / "donor.key").read_bytes()) == 32
    private = stat.S_IRWXG | stat.S_IRWXO
    for file in (directory, directory / "donor.key", directory / "mesh.json"):
        assert not os.stat(file).st_mode & private


async def test_donations_learns_of_its_keys(mesh: Mesh, directory: Path) -> None:
    told = environment_of(mesh.pids["donations"])
    assert told["WATERSMEET_DONATIONS_DONOR_KEY_FILE"] == str(directory / "donor.key")
    platforms = directory / "platforms" / "platforms.toml"
    assert told["WATERSMEET_DONATIONS_PLATFORMS_FILE"] == str(platforms)


async def test_nothing_is_left_when_it_ends(directory: Path) -> None:
    events: list[tuple[str, str]] = []

    def report(part: str, event: str) -> None:
        assert not event.startswith("is ready") or not (directory / "mesh.json").exists()
        events.append((part, event))

    async with Mesh(directory, stages=stand_ins(database=True), report=report):
        assert (directory / "mesh.json").exists()
        assert processes_of(directory)
    assert processes_of(directory) == {}
    assert not (directory / "mesh.json").exists()
    started = [part for part, event in events if event.startswith("is ready")]
    stopped = [part for part, event in events if event == "has stopped"]
    assert started[0] == "postgres"
    assert set(started[1:3]) == {"ledger", "donations"}
    assert started[3] == "gateway"
    assert stopped[0] == "gateway"
    assert stopped[-1] == "postgres"


async def test_an_error_inside_comes_out_as_it_is(directory: Path) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with Mesh(directory, stages=stand_ins()):
            raise ValueError("mine")
    assert processes_of(directory) == {}


async def test_a_killed_service_comes_back_at_its_address(mesh: Mesh) -> None:
    address, pid = mesh.state.address("donations"), mesh.pids["donations"]
    mesh.kill("donations")
    await asyncio.wait_for(mesh.wait_ready("donations"), 20)
    assert mesh.pids["donations"] != pid
    assert mesh.state.address("donations") == address
    assert mesh.restarts == {"donations": 1}


async def test_a_directory_with_a_running_mesh_is_refused(mesh: Mesh, directory: Path) -> None:
    before = mesh.pids
    with pytest.raises(MeshError, match=r"a mesh runs in .* already"):
        async with Mesh(directory, stages=stand_ins()):
            pass
    assert MeshState.load(directory) == mesh.state
    assert mesh.pids == before


async def test_two_meshes_run_side_by_side(mesh: Mesh, tmp_path: Path) -> None:
    async with Mesh(tmp_path / "other", stages=stand_ins()) as other:
        addresses = [
            address
            for state in (mesh.state, other.state)
            for service in state.services.values()
            for address in (service.address, service.metrics, service.http)
            if address is not None
        ]
        assert len(set(addresses)) == len(addresses)
        assert MeshState.load(tmp_path / "other") == other.state


async def test_a_service_that_does_not_start_ends_the_mesh(directory: Path) -> None:
    with pytest.raises(MeshError, match="gateway ended with status 3 while it started") as caught:
        async with Mesh(directory, stages=stand_ins(fault="at-start")):
            pytest.fail("it cannot have started")
    assert str(directory / "logs" / "gateway.log") in str(caught.value)
    assert "the stand-in cannot go on" in str(caught.value)
    assert processes_of(directory) == {}


async def test_a_service_that_ends_too_often_ends_the_mesh(directory: Path) -> None:
    def budget() -> RestartBudget:
        return RestartBudget(restarts_max=1, window_s=60, first_delay_s=0.01)

    async def run() -> None:
        async with Mesh(directory, stages=stand_ins(fault="soon"), budget=budget):
            await asyncio.sleep(60)  # is cancelled

    with pytest.raises(MeshError, match=r"gateway .* after 1 restarts within 60 s") as caught:
        await run()
    assert "gateway.log" in str(caught.value)
    assert processes_of(directory) == {}
    assert not (directory / "mesh.json").exists()


async def test_the_database_and_its_contents_stay(directory: Path) -> None:
    for expected in (0, 1):
        async with Mesh(directory, stages=stand_ins(database=True)) as mesh:
            told = environment_of(mesh.pids["ledger"])
            owner = told["WATERSMEET_LEDGER_MIGRATION_DATABASE_URL"]
            service = told["WATERSMEET_LEDGER_DATABASE_URL"]
            with psycopg.connect(owner) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
                found = connection.execute("SELECT count(*) FROM kept").fetchone()
                assert found == (expected,)
                connection.execute("INSERT INTO kept VALUES (1)")
            with psycopg.connect(service) as connection:
                row = connection.execute("SELECT current_user::text").fetchone()
                assert row == ("ledger_service",)


async def test_a_real_server_is_used_where_one_is_named(
    directory: Path, database: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATERSMEET_LEDGER_DATABASE_URL", database("ledger").service)
    async with Mesh(directory, stages=stand_ins(database=True)) as mesh:
        assert set(mesh.pids) == {"ledger", "donations", "gateway"}
        assert not (directory / "postgres").exists()


async def test_cancelling_its_start_leaves_nothing(directory: Path) -> None:
    ready = asyncio.Event()

    async def run() -> None:
        def report(part: str, event: str) -> None:
            if part == "ledger":
                ready.set()

        async with Mesh(directory, stages=stand_ins(), report=report):
            await asyncio.sleep(60)

    task = asyncio.create_task(run())
    await asyncio.wait_for(ready.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_of(directory) == {}


async def test_a_service_ended_by_someone_else_comes_back(mesh: Mesh) -> None:
    before = mesh.pids["ledger"]
    os.kill(before, signal.SIGTERM)
    async with asyncio.timeout(20):
        while mesh.restarts.get("ledger", 0) == 0:  # noqa: ASYNC110 - another process ends
            await asyncio.sleep(0.02)
        await mesh.wait_ready("ledger")
    assert mesh.pids["ledger"] != before
