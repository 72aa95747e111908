"""The private PostgreSQL: starts, stops, comes back, and keeps roles apart."""

import psycopg
import pytest

from tests.support.databases import DatabaseFactory


def test_a_database_has_an_owner_and_a_service(database: DatabaseFactory) -> None:
    urls = database("ledger")
    with psycopg.connect(urls.owner) as owner:
        owner.execute("CREATE TABLE entries (id int)")
        owner.execute("INSERT INTO entries VALUES (1)")
    with psycopg.connect(urls.service) as service:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute("SELECT * FROM entries")
        service.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute("CREATE TABLE mine (id int)")
        service.rollback()
        service.execute("CREATE TEMPORARY TABLE staging (id int)")


def test_a_database_is_utf8_in_byte_order(database: DatabaseFactory) -> None:
    with psycopg.connect(database("donations").service) as service:
        row = service.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database "
            "WHERE datname = current_database()"
        ).fetchone()
    assert row == ("UTF8", "C")


def test_another_database_is_closed_to_a_service(database: DatabaseFactory) -> None:
    ours, theirs = database("donations"), database("ledger")
    role_and_password = ours.service.rsplit("@", 1)[0]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"{role_and_password}@{theirs.service.rsplit('@', 1)[1]}")
