"""Fills a ledger that stands still with sealed entries, at the speed of COPY.

Entries, transfers, balances, totals and the head are as the ledger would have left them, so that it
goes on behind them; checkpoints and rollups it makes itself when it runs again.
"""

import asyncio
from contextlib import closing

import numpy as np
import psycopg

from bench.binary_rows import HEADER, TRAILER
from bench.indexes import bare
from bench.ledger.books import PROJECTS, Books, Chunk, Moment, draft_of
from bench.ledger.entries import CURRENCY, PARTNERS, TRANSFERS
from services.ledger.domain import Dates, EntryId
from services.ledger.journal.totals import changes_of

_TABLES = ("entries", "transfers")
_RANDOM = {"entries_entry_id_key": 69}
"""How full the pages are of the one index whose keys come in no order."""

_ENTRIES = """COPY entries (sequence, entry_id, content_hash, cause_kind, cause_id, value_time,
    recorded_time, metadata, previous_hash, hash, version, value_date, book_date)
    FROM STDIN (FORMAT BINARY)"""
_TRANSFERS = """COPY transfers (sequence, position, debit_account_id, credit_account_id,
    amount_micros, campaign, project, hour, count) FROM STDIN (FORMAT BINARY)"""
_BALANCE = "UPDATE balances SET debits = debits + %s, credits = credits + %s WHERE account_id = %s"
_TOTAL = """INSERT INTO totals (campaign, project, hour, partner, state, currency, micros, count)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (campaign, project, hour, partner, state, currency)
    DO UPDATE SET micros = totals.micros + EXCLUDED.micros, count = totals.count + EXCLUDED.count"""
_BEHIND = """SELECT h.sequence - (SELECT COALESCE(max(size), 0) FROM checkpoints),
    h.sequence - (SELECT COALESCE(max(last_sequence), 0) FROM rollups) FROM head h"""
_ANY = EntryId("")
_SETTLE_S = 900.0
_POLL_S = 0.5


def fill_books(url: str, transfers: int) -> None:
    """Fills until there are so many transfers, or two more. url: as the tables' owner.

    The accounts must be open, and no ledger may run.
    """
    with bare(url, _TABLES, _RANDOM), psycopg.connect(url) as connection:
        filling = _Filling(connection)
        with (
            closing(psycopg.connect(url)) as other,
            connection.cursor() as entries,
            other.cursor() as moves,
        ):
            with entries.copy(_ENTRIES) as entry_rows, moves.copy(_TRANSFERS) as transfer_rows:
                entry_rows.write(HEADER)
                transfer_rows.write(HEADER)
                for chunk in filling.books.chunks(-(-transfers // TRANSFERS)):
                    entry_rows.write(chunk.entries)
                    transfer_rows.write(chunk.transfers)
                    filling.add(chunk)
                entry_rows.write(TRAILER)
                transfer_rows.write(TRAILER)
            filling.finish()
            other.commit()


async def settle(url: str, entries_behind: int) -> None:
    """Waits until the log and the rollups of a ledger that runs are no more than so far behind.

    Raises TimeoutError if they are not after a quarter of an hour.
    """
    async with asyncio.timeout(_SETTLE_S):
        while max(await asyncio.to_thread(_behind, url)) > entries_behind:  # noqa: ASYNC110  no event
            await asyncio.sleep(_POLL_S)


def _behind(url: str) -> tuple[int, int]:
    with psycopg.connect(url) as connection:
        row = connection.execute(_BEHIND).fetchone()
    assert row is not None, "there is a head"
    return row[0], row[1]


class _Filling:
    """What the tables beside entries and transfers must hold in the end."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        head = connection.execute(
            "SELECT sequence, hash, recorded_time FROM head FOR UPDATE"
        ).fetchone()
        last = connection.execute(
            "SELECT value_date, book_date FROM entries ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        assert head is not None, "there is a head"
        assert last is not None, "the accounts were opened by entries"
        sequence, hash_, recorded = head
        hour = recorded.replace(minute=0, second=0, microsecond=0)
        self._moment = Moment(recorded, Dates(*last), hour)
        accounts = "SELECT code, id FROM accounts WHERE currency = %s"
        self._accounts: dict[str, int] = dict(connection.execute(accounts, (CURRENCY,)).fetchall())
        self.books = Books(self._moment, self._accounts, sequence, hash_)
        none = np.zeros(len(PROJECTS), dtype=np.int64)
        self._micros = {partner: none.copy() for partner in PARTNERS}
        self._tallies = {partner: none.copy() for partner in PARTNERS}
        self._fees = dict.fromkeys(PARTNERS, 0)
        self._last: Chunk | None = None

    def add(self, chunk: Chunk) -> None:
        """Counts the entries of a chunk, which are written."""
        self._micros[chunk.partner] += chunk.micros
        self._tallies[chunk.partner] += chunk.tallies
        self._fees[chunk.partner] += chunk.fees
        self._last = chunk

    def finish(self) -> None:
        """Writes balances, totals and the head."""
        if self._last is None:
            return
        with self._connection.cursor() as cursor:
            cursor.executemany(_BALANCE, self._balances())
            cursor.executemany(_TOTAL, self._totals())
            cursor.execute(
                "UPDATE head SET sequence = %s, hash = %s", (self._last.last, self._last.last_hash)
            )

    def _balances(self) -> list[tuple[int, int, int]]:
        accounts = self._accounts
        rows = []
        for partner in PARTNERS:
            claimed, fees = int(self._micros[partner].sum()), self._fees[partner]
            rows += [
                (claimed, 0, accounts[f"partner/{partner}/claimed"]),
                (fees, 0, accounts[f"partner/{partner}/fees"]),
                (0, fees, accounts[f"partner/{partner}/settled"]),
            ]
        of_projects = np.sum(list(self._micros.values()), axis=0).tolist()
        for project, micros in zip(PROJECTS, of_projects, strict=True):
            rows.append((0, micros, accounts[f"project/project-{project}/fund"]))
        return rows

    def _totals(self) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = []
        for partner in PARTNERS:
            micros_and_tallies = self._micros[partner].tolist(), self._tallies[partner].tolist()
            for project, micros, tally in zip(PROJECTS, *micros_and_tallies, strict=True):
                if micros:
                    draft = draft_of(_ANY, self._moment, partner, project, micros, tally, fee=1)
                    for cell, (amount, count) in changes_of(draft.transfers).items():
                        rows.append(
                            (
                                cell.campaign,
                                cell.project,
                                cell.hour,
                                cell.partner,
                                int(cell.state),
                                cell.currency,
                                amount,
                                count,
                            )
                        )
        return rows
