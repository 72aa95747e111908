"""One flipped bit in any stored field: the audit finds it, and says of which entry."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
import pytest
import sqlalchemy
from psycopg import sql
from sqlalchemy.dialects import postgresql

from services.ledger.domain import AccountLimit, AccountState
from services.ledger.models import metadata
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.log_parts import NEXT, SIGNER, LogParts
from tests.integration.ledger.parts import Parts
from tests.unit.ledger.drafts import NOON, draft, gift, refund, suspended
from tests.unit.ledger.stepped import (
    FUND,
    back,
    commit,
    decision,
    hold,
    pledge,
    reversal,
    void,
)

# What a bit of a column's type is, as the expression of the changed value.
_BYTES = "set_bit({0}, {1}, 1 - get_bit({0}, {1}))"
FLIPS: Mapping[str, str] = {
    "SMALLINT": "{0} # (1 << {1})::smallint",
    "INTEGER": "{0} # (1 << {1})",
    "BIGINT": "{0} # (1::bigint << {1})",
    "BYTEA": _BYTES,
    "TEXT": f"convert_from({_BYTES.format('convert_to({0}, $$UTF8$$)', '{1}')}, $$UTF8$$)",
    "JSONB": f"convert_from({_BYTES.format('convert_to({0}::text, $$UTF8$$)', '{1}')}, $$UTF8$$)"
    "::jsonb",
    "UUID": f"encode({_BYTES.format('uuid_send({0})', '{1}')}, $$hex$$)::uuid",
    "DATE": "DATE '2000-01-01' + (({0} - DATE '2000-01-01') # (1 << {1}))",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '2000-01-01Z' + INTERVAL '1 microsecond' * "
    "((extract(epoch FROM {0} - TIMESTAMPTZ '2000-01-01Z') * 1000000)::bigint "
    "# (1::bigint << {1}))",
}
BITS = {"SMALLINT": 15, "INTEGER": 31, "BIGINT": 62, "DATE": 20, "TIMESTAMP WITH TIME ZONE": 55}
SIZES = {
    "BYTEA": "8 * length({0})",
    "TEXT": "8 * octet_length({0})",
    "JSONB": "8 * octet_length({0}::text)",
    "UUID": "128",
}
TABLES = (
    *("entries", "transfers", "reserved", "steps"),
    *("accounts", "checkpoints", "tree_nodes", "log_keys"),
    *("balances", "totals", "watermarks", "head"),
)
# Nothing that is said of money or time follows from these; each has its reason.
EXEMPT = {
    ("accounts", "create_time"),  # when a code was first used; entries have times of their own
    ("head", "id"),  # a constant, which a constraint holds
    ("head", "term"),  # who may write now
    ("head", "next_expiry"),  # when to look for holds that end
    ("head", "asked_time"),  # as of when somebody asked
    ("head", "periods_sequence"),  # how far periods have been read
}
NAMING = ("entries", "transfers", "reserved", "steps")
TRIES = 2


class Column(NamedTuple):
    """A column, and its type as FLIPS has it."""

    table: str
    name: str
    type: str


def _type(column: sqlalchemy.Column[object]) -> str:
    return column.type.compile(dialect=postgresql.dialect()).partition(" COLLATE")[0]


COLUMNS = [
    Column(table, column.name, _type(column))
    for table in TABLES
    for column in metadata.tables[table].columns
    if (table, column.name) not in EXEMPT
]


async def fill(parts: Parts, log: LogParts) -> None:
    """Entries of every form, two checkpoints, one kept node."""
    stated = {"gifts": "1", "complete_until/alipay": "2019-09-05T12:00:00Z", "note": '融 \\ "'}
    await parts.post_all(draft(gift(7), gift(5, currency="USD"), gift(2, campaign="")))
    await parts.post_all(draft(gift(9), refund(2), suspended(3), metadata=stated))
    await parts.post_all(draft(pledge(100)), draft(hold(40, 30)), draft(hold(20)))
    await parts.post_all(draft(commit(30, 4)), draft(void(20, 5)))
    await parts.post_all(draft(hold(10, 60)._replace(hour=NOON)))
    await parts.post_all(reversal(back(gift(7), 1), of=1))
    await parts.writer.decide(decision(FUND, AccountState.FROZEN, AccountLimit.NONE))
    await parts.writer.decide(decision(FUND, AccountState.OPEN))
    await parts.post_all(*(draft(gift(5, partner="tencent")) for _ in range(249)))
    await log.sign(260)
    await parts.post_all(draft())
    await log.sign(261, SIGNER, NEXT)


@pytest.fixture
async def filled(parts: Parts, log: LogParts) -> Parts:
    await fill(parts, log)
    assert (await parts.audit()).ok
    return parts


@pytest.mark.parametrize("table", TABLES)
async def test_a_flipped_bit_is_found(filled: Parts, urls: DatabaseUrls, table: str) -> None:
    draw = random.Random(table)
    for column in COLUMNS:
        if column.table != table:
            continue
        flips = 0
        for _ in range(8 * TRIES):
            with flipped(urls.owner, column, draw) as sequence:
                if sequence is None:
                    continue  # a value that the database itself refuses
                flips += 1
                report = await filled.audit()
                told = " ".join(check.detail for check in report.checks if not check.ok)
                assert not report.ok, column
                if table in NAMING:
                    names = (
                        f"entry {sequence} ",
                        f"behind entry {sequence - 1} ",
                        f"follows entry {sequence - 1}:",
                    )
                    assert any(name in f"{told} " for name in names), (column, sequence, told)
            if flips == TRIES:
                break
        assert flips, column
    assert (await filled.audit()).ok


@contextmanager
def flipped(url: str, column: Column, draw: random.Random) -> Iterator[int | None]:
    """Flips a bit of a row while the block runs; gives the row's sequence, 0 where it has none.

    None if there is no such value, or none that the table's constraints let in.
    """
    about = sql.Identifier(column.name).as_string(None)
    table = sql.Identifier(column.table).as_string(None)
    keyed = "sequence" if column.table in (*NAMING, "head") else "0"
    with psycopg.connect(url, autocommit=True) as connection:
        size = SIZES.get(column.type, str(BITS.get(column.type, 0))).format(about)
        rows = connection.execute(
            f"SELECT ctid::text, {keyed}, {about}::text, {size} FROM {table} "
            f"WHERE {about} IS NOT NULL ORDER BY 2, 1".encode()
        ).fetchall()
        # Of an empty JSON object no bit can be flipped that leaves it one.
        full = [row for row in rows if row[3] > 16] if column.type == "JSONB" else rows
        place, sequence, old, bits = draw.choice(full)
        changed = FLIPS[column.type].format(about, draw.randrange(bits))
        try:
            row = connection.execute(
                f"UPDATE {table} SET {about} = {changed} WHERE ctid = '{place}' "
                f"AND ({changed}) IS DISTINCT FROM {about} RETURNING ctid::text".encode()
            ).fetchone()
        except (psycopg.DataError, psycopg.IntegrityError):
            row = None
        if row is None:
            yield None
            return
        try:
            yield sequence
        finally:
            connection.execute(
                f"UPDATE {table} SET {about} = %s WHERE ctid = '{row[0]}'".encode(), [old]
            )
