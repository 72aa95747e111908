"""URLs of other databases on the same server."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from services.runtime.supervisor.databases import DatabaseUrls, url_for


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (
            "postgresql://postgres:x@127.0.0.1:5433/postgres?sslmode=disable",
            {"host": "127.0.0.1", "port": "5433", "sslmode": "disable"},
        ),
        ("postgresql://postgres@db.internal/postgres", {"host": "db.internal", "port": "5432"}),
        ("postgresql://[::1]:5433/postgres", {"host": "::1", "port": "5433"}),
        ("postgresql:///postgres?host=/var/run/pg", {"host": "/var/run/pg", "port": "5432"}),
    ],
)
def test_the_way_to_the_server_stays(server: str, expected: dict[str, str]) -> None:
    found = conninfo_to_dict(url_for(server, "ledger_owner", "p/w@:", "ledger"))
    assert found == expected | {"user": "ledger_owner", "password": "p/w@:", "dbname": "ledger"}


def test_passwords_do_not_show() -> None:
    assert "hunter2" not in repr(DatabaseUrls(owner="postgresql://o:hunter2@h/d", service=""))
