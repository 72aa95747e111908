"""Migrations from a package made for the test, on a real database."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from services.runtime.database import fault_of, upgrade
from services.runtime.errors import Reason
from services.runtime.migrations import new_migration
from services.runtime.supervisor.databases import DatabaseUrls
from tests.support.databases import DatabaseFactory

PACKAGE = "services_of_a_test"

ENV = "from services.runtime.migrations import run_migrations\n\nrun_migrations()\n"

FIRST = """
    op.create_table("gifts", sa.Column("id", sa.Integer, sa.Identity(), primary_key=True))
    op.execute("SELECT pg_sleep(0.2)")
    grant("SELECT, INSERT", "gifts")
"""
SECOND = """
    op.add_column("gifts", sa.Column("note", sa.Text))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / PACKAGE / "migrations"
    folder.mkdir(parents=True)
    for file in (folder.parent / "__init__.py", folder / "__init__.py"):
        file.touch()
    (folder / "env.py").write_text(ENV)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


@pytest.fixture
def urls(database: DatabaseFactory) -> DatabaseUrls:
    return database("migrations")


def role_of(url: str) -> str:
    found = re.search(r"//(\w+):", url)
    assert found is not None
    return found[1]


def add(message: str, body: str) -> Path:
    """A new migration, as an engineer would write one."""
    path = new_migration(PACKAGE, message)
    source = path.read_text(encoding="utf-8")
    source = source.replace("from alembic", "import sqlalchemy as sa\nfrom alembic")
    path.write_text(source + textwrap.dedent(body).replace("\n", "\n    ").rstrip() + "\n")
    return path


def columns(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'gifts' "
            "ORDER BY ordinal_position"
        )
        return [row[0] for row in rows]


def test_a_database_is_brought_up_to_date(package: Path, urls: DatabaseUrls) -> None:
    first = add("The first table!", FIRST)
    assert first.name == "0001_the_first_table.py"
    upgrade(PACKAGE, urls.owner)
    assert columns(urls.owner) == ["id"]
    second = add("a note", SECOND)
    assert second.name == "0002_a_note.py"
    for _ in range(2):
        upgrade(PACKAGE, urls.owner)
        assert columns(urls.owner) == ["id", "note"]


def test_the_services_role_is_granted_what_the_migration_says(
    package: Path, urls: DatabaseUrls
) -> None:
    add("first", FIRST)
    upgrade(PACKAGE, urls.owner, service_role=role_of(urls.service))
    with psycopg.connect(urls.service, autocommit=True) as connection:
        connection.execute("INSERT INTO gifts DEFAULT VALUES")
        for statement in ("DELETE FROM gifts", "UPDATE gifts SET id = 1", "DROP TABLE gifts"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_starters_do_not_race(package: Path, urls: DatabaseUrls) -> None:
    """Processes in life; here other sessions hold and want the lock."""
    add("first", FIRST)
    add("second", SECOND)
    script = f"from services.runtime.database import upgrade; upgrade({PACKAGE!r}, {urls.owner!r})"

    def start() -> str:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONPATH": str(package.parent.parent)},
            cwd=Path(__file__).resolve().parents[3],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stderr

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: start(), range(3))) == ["", "", ""]
    assert columns(urls.owner) == ["id", "note"]


def test_what_fails_half_way_leaves_nothing(package: Path, urls: DatabaseUrls) -> None:
    add("first", FIRST)
    wrong = add("second", 'op.execute("SELECT nothing")')
    with pytest.raises(Exception, match="nothing"):
        upgrade(PACKAGE, urls.owner)
    assert columns(urls.owner) == []
    wrong.unlink()
    upgrade(PACKAGE, urls.owner)
    assert columns(urls.owner) == ["id"]


def test_a_database_that_is_away(package: Path) -> None:
    add("first", FIRST)
    with pytest.raises(OperationalError) as caught:
        upgrade(PACKAGE, "postgresql://nobody@127.0.0.1:1/nothing")
    fault = fault_of(caught.value)
    assert fault is not None
    assert fault.reason is Reason.DEPENDENCY_UNAVAILABLE


def test_another_database_is_refused(package: Path) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        upgrade(PACKAGE, "sqlite:///nothing")
