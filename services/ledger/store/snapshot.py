"""The books as they stood at one moment, for as long as it takes to read them.

All in one REPEATABLE READ transaction, which holds nobody up. Rows come through server-side cursors
a chunk at a time, so memory stays bounded however long the books are.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Row, text
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import TextClause
from uuid_utils import uuid4

from services.ledger.domain import (
    Account,
    AccountKind,
    AccountName,
    Balance,
    CauseKind,
    Entry,
    Head,
    TotalsRow,
    Transfer,
    Uncounted,
)
from services.ledger.store.accounts import AccountIds, account_of
from services.ledger.store.entries import Page, Unreadable, page_after, page_of
from services.ledger.store.fragments import VALUE_DATE
from services.ledger.store.held_accounts import HELD_ACCOUNTS, HeldAccount, held_account_of
from services.ledger.store.history import BALANCES
from services.ledger.store.log_snapshot import LogSnapshot
from services.ledger.store.step_faults import STRAY_TRANSFER
from services.ledger.store.step_snapshot import StepSnapshot
from services.ledger.store.summed import SUMMED_TRANSFERS, changes_by, summed_transfer
from services.ledger.store.totals import TOTALS, totals_row, with_changes
from services.runtime.errors import Fault

CHUNK = 5_000

# Raised for a value that Python or the domain cannot hold, such as a time beyond the calendar.
_NO_VALUE = (ValueError, DataError, psycopg.DataError)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except _NO_VALUE as error:
        cause = error.orig if isinstance(error, DataError) else error
        raise Unreadable(f"a stored value cannot be read: {cause}") from error


class Rollup(NamedTuple):
    """A stretch of entries that is rolled up."""

    first: int
    last: int


class WrongTurnover(NamedTuple):
    """A daily turnover that is not what it should be. code, currency: None for no account."""

    code: str | None
    currency: str | None
    value_date: str


class CurrencySums(NamedTuple):
    """The sums of all balances of one currency."""

    currency: str
    accounts: int
    debits: int
    credits: int


class BatchEntry(NamedTuple):
    """Names an entry whose cause is an intake batch."""

    batch_id: str
    sequence: int


class SnapshotStore:
    """Hands out snapshots, as many at once as its engine has connections."""

    def __init__(self, engine: AsyncEngine, statement_timeout_s: float) -> None:
        self._engine = engine
        self._statement_timeout_s = statement_timeout_s

    @asynccontextmanager
    async def take(self) -> AsyncIterator["Snapshot"]:
        """The books as they stand now, until the block ends."""
        async with self._engine.connect() as connection:
            await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            milliseconds = str(int(self._statement_timeout_s * 1000))
            await connection.execute(_TIMEOUT, {"milliseconds": milliseconds})
            *head, after, through = (await connection.execute(_HEAD)).one()
            yield Snapshot(connection, Head(*head), Uncounted(after, through))


class Snapshot:
    """Everything it answers is of the same moment."""

    def __init__(self, connection: AsyncConnection, head: Head, uncounted: Uncounted) -> None:
        """uncounted: the entries whose changes the totals' tables lack; `totals` has them."""
        self._connection = connection
        self._accounts = AccountIds()  # of its own: what others remember may not be so any more
        self.head = head
        self.uncounted = uncounted

    async def watermarks(self) -> dict[str, datetime]:
        """For each partner that has said so: all its gifts before this time are in the books."""
        with _reading():
            rows = await self._connection.execute(_WATERMARKS)
            return {row.partner: row.complete_until for row in rows}

    async def totals(self, chunk: int = CHUNK) -> AsyncIterator[Sequence[TotalsRow]]:
        """All cells by campaign, project and hour, in lists of at most chunk."""
        with _reading():
            try:
                changes = await changes_by(self._connection, self.uncounted)
            except Fault as fault:
                raise Unreadable(fault.message) from fault
        async for rows in with_changes(self._counted_totals(chunk), changes, chunk):
            yield rows

    async def _counted_totals(self, chunk: int) -> AsyncIterator[list[TotalsRow]]:
        async for rows in self._stream(TOTALS, chunk):
            with _reading():
                read = [totals_row(row) for row in rows]
            yield read

    async def entries_after(self, sequence: int, limit: int) -> Page:
        """The next entries after a sequence: as many as fit a page, at most limit."""
        with _reading():
            return await page_after(self._connection, self._accounts, sequence, limit)

    async def entries_at(self, sequences: Sequence[int]) -> AsyncIterator[Entry]:
        """The entries with these sequences, by sequence. Raises Unreadable."""
        left = sorted(sequences)
        while left:
            with _reading():
                page = await page_of(self._connection, self._accounts, left)
            if not page.rows:
                return
            for entry in page.entries():
                yield entry
            left = [sequence for sequence in left if sequence > page.rows[-1].sequence]

    async def batch_entries(self) -> AsyncIterator[BatchEntry]:
        """All entries that batches caused, by the batch's id."""
        async for rows in self._stream(_BATCH_ENTRIES, cause_kind=int(CauseKind.INTAKE_BATCH)):
            for row in rows:
                yield BatchEntry(row.cause_id, row.sequence)

    async def stray_transfer(self) -> int | None:
        """The sequence of a transfer that belongs to no entry, if there is one."""
        sequence: int | None = await self._connection.scalar(STRAY_TRANSFER)
        return sequence

    async def held_accounts(self) -> AsyncIterator[HeldAccount]:
        """Every id that an account, a balance or a transfer has."""
        async for rows in self._stream(HELD_ACCOUNTS):
            for row in rows:
                yield held_account_of(row)

    async def rollups(self) -> list[Rollup]:
        """All rollups, by their last sequence."""
        return [Rollup(*row) for row in await self._connection.execute(_ROLLUPS)]

    async def wrong_turnovers(self, rollup: Rollup) -> tuple[int, list[WrongTurnover]]:
        """How many daily turnovers a rollup has or should have, and those that are not what its
        entries add up to (the first few).
        """
        rows = (await self._connection.execute(_WRONG_TURNOVERS, rollup._asdict())).all()
        wrong = [
            WrongTurnover(row.code, row.currency, str(row.value_date))
            for row in rows
            if row.account_id is not None
        ]
        return rows[0].covered if rows else 0, wrong

    async def stray_turnovers(self) -> list[int]:
        """The last sequences of rollups that are not there, and of which sums by day are."""
        return list((await self._connection.execute(_STRAY_TURNOVERS)).scalars())

    async def accounts(self, limit: int) -> list[tuple[Account, int, int]]:
        """Accounts by code and currency, each with the sums of its debits and its credits."""
        accounts: list[tuple[Account, int, int]] = []
        async for rows in self._stream(_ACCOUNTS, limit=limit):
            accounts += [(account_of(row), row.debits, row.credits) for row in rows]
        return accounts

    @property
    def log(self) -> LogSnapshot:
        """The log at the same moment."""
        return LogSnapshot(self._connection, self._stream)

    @property
    def steps(self) -> StepSnapshot:
        """Holds, reversals and decisions at the same moment."""
        return StepSnapshot(self._connection, self._stream)

    async def balances(
        self, currency: str, through: int, value_date: date
    ) -> AsyncIterator[list[Balance]]:
        """All accounts that were used by entries up to a sequence and a value date, with what they
        held then, by code and currency, some at a time. currency: empty for all.
        """
        async for rows in self._stream(
            BALANCES, currency=currency, through=through, value_date=value_date
        ):
            yield [
                Balance(
                    AccountName(row.code, row.currency),
                    AccountKind(row.kind),
                    int(row.debits),
                    int(row.credits),
                )
                for row in rows
            ]

    async def currency_sums(self) -> list[CurrencySums]:
        """The sums of the stored balances."""
        rows = await self._connection.execute(_CURRENCY_SUMS)
        return [
            CurrencySums(row.currency, row.accounts, int(row.debits), int(row.credits))
            for row in rows
        ]

    async def summed_transfers(self) -> AsyncIterator[Transfer]:
        """All transfers that have an hour, those that differ in amount and count alone summed up.

        By campaign, project and hour. The sums may exceed 64 bits. Reversals are apart, with a step
        that says only that they are.
        """
        async for rows in self._stream(SUMMED_TRANSFERS):
            for row in rows:
                yield summed_transfer(row)

    async def _stream(
        self, statement: TextClause, chunk: int = CHUNK, **parameters: object
    ) -> AsyncIterator[Sequence[Row[Any]]]:
        # It ends with the transaction: whoever stops in the middle leaves nothing to close. Its
        # name is new each time, as the driver remembers what a statement's rows look like.
        cursor = f"read_{uuid4().hex}"
        fetch = text(f"FETCH {chunk} FROM {cursor}")
        with _reading():
            await self._connection.execute(
                text(f"DECLARE {cursor} NO SCROLL CURSOR FOR {statement.text}"), parameters
            )
            while rows := (await self._connection.execute(fetch)).all():
                yield rows
            await self._connection.execute(text(f"CLOSE {cursor}"))


_TIMEOUT = text("SELECT set_config('statement_timeout', :milliseconds, true)")

_HEAD = text("""
    SELECT sequence, hash, recorded_time, uncounted_after, uncounted_through FROM head
""")

_WATERMARKS = text("SELECT partner, complete_until FROM watermarks")

_BATCH_ENTRIES = text("""
    SELECT cause_id, sequence FROM entries WHERE cause_kind = :cause_kind
    ORDER BY cause_id, sequence
""")

_ROLLUPS = text("SELECT first_sequence, last_sequence FROM rollups ORDER BY last_sequence")

_STRAY_TURNOVERS = text("""
    SELECT DISTINCT d.last_sequence FROM daily_turnovers d
    WHERE NOT EXISTS (SELECT FROM rollups r WHERE r.last_sequence = d.last_sequence)
    ORDER BY 1 LIMIT 10
""")

# One row at least, for the count.
_WRONG_TURNOVERS = text(f"""
    WITH sides AS (
        SELECT t.debit_account_id AS account_id, {VALUE_DATE} AS value_date,
               t.amount_micros AS debits, 0 AS credits
        FROM transfers t JOIN entries e ON e.sequence = t.sequence
        WHERE t.sequence BETWEEN :first AND :last AND e.sequence BETWEEN :first AND :last
        UNION ALL
        SELECT t.credit_account_id, {VALUE_DATE}, 0, t.amount_micros
        FROM transfers t JOIN entries e ON e.sequence = t.sequence
        WHERE t.sequence BETWEEN :first AND :last AND e.sequence BETWEEN :first AND :last
    ), derived AS (
        SELECT account_id, value_date, sum(debits) AS debits, sum(credits) AS credits
        FROM sides GROUP BY account_id, value_date
    ), compared AS (
        SELECT account_id, value_date, (s.debits, s.credits) IS NOT DISTINCT FROM
               (d.debits, d.credits) AS same
        FROM derived d FULL JOIN (
            SELECT * FROM daily_turnovers WHERE last_sequence = :last
        ) AS s USING (account_id, value_date)
    )
    SELECT c.covered, w.account_id, w.value_date, a.code, a.currency
    FROM (SELECT count(*) AS covered FROM compared) AS c
    LEFT JOIN (SELECT * FROM compared WHERE NOT same LIMIT 10) AS w ON true
    LEFT JOIN accounts a ON a.id = w.account_id
""")  # noqa: S608  made of constants

_ACCOUNTS = text("""
    SELECT a.code, a.currency, a.kind, a.owner, a.create_time, b.state, b.account_limit,
           b.debits, b.credits
    FROM accounts a JOIN balances b ON b.account_id = a.id
    ORDER BY a.code, a.currency LIMIT :limit
""")

_CURRENCY_SUMS = text("""
    SELECT a.currency, count(*) AS accounts, sum(b.debits) AS debits, sum(b.credits) AS credits
    FROM balances b JOIN accounts a ON a.id = b.account_id
    GROUP BY a.currency ORDER BY a.currency
""")
