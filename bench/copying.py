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
from psycopg import sql

from bench.binary_rows import EPOCH_MICROS, HEADER, TRAILER, Column, binary_rows
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
    buckets = gifts.buckets()
    transactions = []
    for first in range(0, len(gifts.ids), ROWS):
        rows = slice(first, first + ROWS)
        order = first + np.lexsort((gifts.ids[rows], buckets[rows]))
        columns = {
            "bucket": (">i2", buckets[order]),
            "partner_id": (">i2", partner_id),
            "external_id": (gifts.ids.dtype.str, gifts.ids[order]),
            "amount_micros": (">i8", gifts.amounts_micros[order]),
            "currency": ("S3", CURRENCY.encode("ascii")),
            "project_id": (">i4", gifts.projects[order] + 1),
            "campaign_id": (">i4", 1),
            "event_time": (">i8", gifts.times_micros[order] - EPOCH_MICROS),
            "batch_id": ("V16", np.void(uuid.uuid4().bytes)),
            "donor_token": _tokens(len(order) if len(gifts.donors) else 0),
        }
        assert tuple(columns) == _COLUMNS
        transactions.append(HEADER + binary_rows(len(order), columns) + TRAILER)
    return transactions


def _tokens(count: int) -> Column:
    """Random ones, or empty ones."""
    if not count:
        return "V0", np.void(b"")
    kind = f"V{_TOKEN_BYTES}"
    return kind, np.frombuffer(secrets.token_bytes(_TOKEN_BYTES * count), dtype=kind)
