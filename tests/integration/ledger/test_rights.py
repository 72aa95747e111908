"""What the service's role may do with the books, tried."""

import psycopg
import pytest
from psycopg import sql

from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import open_parts
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import draft

APPEND_ONLY = (
    *("accounts", "entries", "transfers", "reserved", "steps", "late_arrivals"),
    *("rollups", "daily_turnovers"),
    *("checkpoints", "tree_nodes", "log_keys"),
)
DENIED = [
    *(
        (statement, table)
        for table in APPEND_ONLY
        for statement in ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}")
    ),
    *(
        (statement, table)
        for table in ("balances", "totals", "appeal_totals", "watermarks", "head")
        for statement in ("DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}")
    ),
    ("INSERT INTO {} SELECT * FROM head", "head"),
]
COLUMN = {
    "accounts": "code",
    "entries": "hash",
    "transfers": "amount_micros",
    "reserved": "amount_micros",
    "steps": "of_sequence",
    "late_arrivals": "value_date",
    "rollups": "first_sequence",
    "daily_turnovers": "debits",
    "checkpoints": "note",
    "tree_nodes": "hash",
    "log_keys": "verifier_key",
}


@pytest.mark.parametrize(("statement", "table"), DENIED)
async def test_the_service_cannot(
    urls: DatabaseUrls, clock: FixedClock, statement: str, table: str
) -> None:
    async with open_parts(urls.service, clock) as parts:
        await parts.post_all(draft())
    column = sql.Identifier(COLUMN.get(table, "-"))
    composed = sql.SQL(statement).format(sql.Identifier(table), column, column)
    with (
        psycopg.connect(urls.service) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(composed)


def test_the_service_makes_no_tables(urls: DatabaseUrls) -> None:
    with (
        psycopg.connect(urls.service) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE other (id int)")
