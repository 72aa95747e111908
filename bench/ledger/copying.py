"""The reference of the posting rows: bare COPY of the same transfer rows by one psycopg writer."""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql
from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from bench.ledger.entries import Entries, make_requests

ROWS = 20_000
"""Rows of a transaction: what one group gathers at full rate."""

_COLUMNS = (
    "sequence",
    "position",
    "debit_account_id",
    "credit_account_id",
    "amount_micros",
    "campaign",
    "project",
    "hour",
    "count",
)


@dataclass(frozen=True, slots=True)
class TransferCopyJob:
    """Copies the transfers of entries into a table like the ledger's own.

    url: the database, as a role that may write the table. first_sequence: of the first entry.
    """

    url: str
    table: str
    entries: Entries
    first_sequence: int

    def run(self, go: Callable[[], None]) -> int:
        """See processes.Job. Returns the rows copied."""
        transactions = list(self._transactions())
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
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

    def _transactions(self) -> list[bytes]:
        rows = []
        ids: dict[str, int] = {}
        for request in make_requests(self.entries, self.entries.count):
            for number, draft in enumerate(request.entries):
                for position, transfer in enumerate(draft.transfers):
                    rows.append(_row(self.first_sequence + number, position, transfer, ids))
        return ["".join(rows[first : first + ROWS]).encode() for first in range(0, len(rows), ROWS)]


def make_reference_table(url: str, name: str) -> None:
    """Makes an empty table with the columns and indexes of transfers. url: as its owner."""
    with psycopg.connect(url) as connection:
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE transfers INCLUDING ALL)").format(sql.Identifier(name))
        )


def _row(sequence: int, position: int, transfer: pb.Transfer, ids: dict[str, int]) -> str:
    debit = ids.setdefault(transfer.debit_account, len(ids) + 1)
    credit = ids.setdefault(transfer.credit_account, len(ids) + 1)
    hour = transfer.hour.ToJsonString() if transfer.HasField("hour") else r"\N"
    return (
        f"{sequence}\t{position}\t{debit}\t{credit}\t{transfer.amount.micros}"
        f"\t{transfer.campaign}\t{transfer.project}\t{hour}\t{transfer.count}\n"
    )
