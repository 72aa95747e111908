"""The reference of the bulk rows: what a bare binary COPY by psycopg does into the same table.

Rows, keys and columns are the product's; everything is formed and sorted before the clock starts.
Ours sorts each transaction by key, so the reference does too, as that is the faster way.
"""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from bench.lots import CURRENCY, Gifts, Lot, make_gifts

ROWS = 20_000
"""Rows of a transaction: about what ours gathers when two streams come at full rate."""

_TABLE = "donations"
_COLUMNS = (
    "bucket",
    "partner_id",
    "external_id",
    "amount_micros",
    "currency",
    "project_id",
    "campaign_id",
    "event_time",
    "batch_id",
    "donor_token",
)
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_POSTGRES_EPOCH_MICROS = 946_684_800_000_000
_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class CopyJob:
    """One writer: copies a lot into a table, transaction after transaction.

    url: the database, as a role that may write the table. partner_id: the smallint to write.
    """

    url: str
    table: str
    lot: Lot
    partner_id: int
    projects: int

    def run(self, go: Callable[[], None]) -> int:
        """See processes.Job. Returns the rows copied."""
        transactions = make_transactions(make_gifts(self.lot, self.projects), self.partner_id)
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(self.table), sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
        )
        rows = 0
        with psycopg.connect(self.url) as connection:
            go()
            for transaction in transactions:
                with connection.cursor() as cursor:
                    with cursor.copy(statement) as copy:
                        copy.write(transaction)
                    rows += cursor.rowcount
                connection.commit()
        return rows


def make_reference_table(url: str, name: str) -> None:
    """Makes an empty table with the columns and keys of the gifts' own. url: as its owner."""
    with psycopg.connect(url) as connection:
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                sql.Identifier(name), sql.Identifier(_TABLE)
            )
        )


def make_transactions(gifts: Gifts, partner_id: int) -> list[bytes]:
    """Whole binary COPY streams of ROWS rows each, in key order."""
    layout = np.dtype(
        [
            ("fields", ">i2"),
            *_field("bucket", ">i2"),
            *_field("partner_id", ">i2"),
            *_field("external_id", gifts.ids.dtype.str),
            *_field("amount_micros", ">i8"),
            *_field("currency", "S3"),
            *_field("project_id", ">i4"),
            *_field("campaign_id", ">i4"),
            *_field("event_time", ">i8"),
            *_field("batch_id", "V16"),
            *_field("donor_token", f"V{_TOKEN_BYTES}" if len(gifts.donors) else "V0"),
        ]
    )
    buckets = gifts.buckets()
    transactions = []
    for first in range(0, len(gifts.ids), ROWS):
        rows = slice(first, first + ROWS)
        order = first + np.lexsort((gifts.ids[rows], buckets[rows]))
        table = np.zeros(len(order), dtype=layout)
        table["fields"] = len(_COLUMNS)
        for name in _COLUMNS:
            table[f"{name} length"] = layout[name].itemsize
        table["bucket"] = buckets[order]
        table["partner_id"] = partner_id
        table["external_id"] = gifts.ids[order]
        table["amount_micros"] = gifts.amounts_micros[order]
        table["currency"] = CURRENCY.encode("ascii")
        table["project_id"] = gifts.projects[order] + 1
        table["campaign_id"] = 1
        table["event_time"] = gifts.times_micros[order] - _POSTGRES_EPOCH_MICROS
        table["batch_id"] = np.void(uuid.uuid4().bytes)
        if len(gifts.donors):
            table["donor_token"] = _tokens(len(order))
        transactions.append(_HEADER + table.tobytes() + _TRAILER)
    return transactions


def _field(name: str, kind: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (f"{name} length", ">i4"), (name, kind)


def _tokens(count: int) -> NDArray[np.void]:
    return np.frombuffer(secrets.token_bytes(_TOKEN_BYTES * count), dtype=f"V{_TOKEN_BYTES}")
