"""`watersmeet certs` and `watersmeet migrate`, as one calls them."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from services.cli.main import COMMANDS, build
from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.mesh import Mesh
from tests.support.databases import DatabaseFactory
from tests.support.meshes import processes_of, stand_ins

WATERSMEET = str(Path(sys.executable).with_name("watersmeet"))


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {str(row[0]) for row in rows}


def test_certs_issues_and_lists(tmp_path: Path) -> None:
    certs = build(["certs"])
    here = ["--state", str(tmp_path / "state")]
    issue = ["certs", "issue", "partner", "weibo", *here]
    issued = CliRunner().invoke(certs, issue)
    assert issued.exit_code == 0, issued.output
    files = [Path(line) for line in issued.output.split()]
    assert [file.name for file in files] == ["partner-weibo.crt", "partner-weibo.key", "ca.crt"]
    assert all(file.parent == tmp_path / "state" / "certs" for file in files)
    before = files[0].read_bytes()
    CliRunner().invoke(certs, issue)
    assert files[0].read_bytes() == before
    CliRunner().invoke(certs, [*issue, "--renew"])
    assert files[0].read_bytes() != before
    assert "weibo" in CliRunner().invoke(certs, ["certs", "list", *here]).output


def test_an_error_is_one_line_and_status_1(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    done = subprocess.run(
        (WATERSMEET, "certs", "issue", "partner", "Weibo", "--state", state),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("watersmeet: 'Weibo' is no name")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("url", ["mysql://a:secret@b/c", "secret"])
def test_a_database_url_of_another_kind_is_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("WATERSMEET_LEDGER_DATABASE_URL", url)
    done = CliRunner().invoke(build(["certs", "migrate"]), ["migrate", "ledger"])
    assert isinstance(done.exception, MeshError)
    assert "ledger cannot be migrated" in str(done.exception)
    assert "secret" not in str(done.exception)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(build([command]), [command, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "usage:" in shown.output.lower()


def test_migrate_uses_the_private_postgres(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for _ in range(2):  # the second time there is nothing to do
        done = CliRunner().invoke(build(["migrate"]), ["migrate", "--state", str(state)])
        assert done.exit_code == 0, done.output
        assert "ledger is at its newest migration" in done.output
        assert "donations is at its newest migration" in done.output
    assert (state / "postgres").is_dir()
    assert processes_of(state) == {}


def test_migrate_uses_a_named_server(
    tmp_path: Path, database: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = database("ledger")
    monkeypatch.setenv("WATERSMEET_LEDGER_DATABASE_URL", urls.service)
    monkeypatch.setenv("WATERSMEET_LEDGER_MIGRATION_DATABASE_URL", urls.owner)
    state = tmp_path / "state"
    done = CliRunner().invoke(build(["migrate"]), ["migrate", "ledger", "--state", str(state)])
    assert done.exit_code == 0, done.output
    assert not state.exists()
    assert {"entries", "transfers"} <= tables(urls.owner)
    with psycopg.connect(urls.service) as service:  # has the rights that the migration grants
        service.execute("SELECT count(*) FROM entries")


def test_migrate_refuses_what_has_no_database(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        build(["migrate"]), ["migrate", "gateway", "--state", str(tmp_path / "state")]
    )
    assert isinstance(done.exception, MeshError)
    assert "gateway has no database" in str(done.exception)


async def test_migrate_leaves_a_running_mesh_alone(tmp_path: Path) -> None:
    async with Mesh(tmp_path / "state", stages=stand_ins()):
        done = CliRunner().invoke(
            build(["migrate"]), ["migrate", "--state", str(tmp_path / "state")]
        )
    assert isinstance(done.exception, MeshError)
    assert "a mesh runs in" in str(done.exception)
