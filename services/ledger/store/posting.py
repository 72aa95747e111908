"""What the writer does in the database: one transaction under the head's lock."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ledger.domain import AccountName, Cell, Head, Purpose, Sums
from services.ledger.plan import Plan, Posted, Turnover
from services.ledger.store import copy
from services.ledger.store.accounts import AccountIds, open_accounts
from services.ledger.store.arrays import array
from services.runtime.database import transaction


class PostingStore:
    """Hands out the transactions of one writer."""

    def __init__(self, engine: AsyncEngine, accounts: AccountIds) -> None:
        self._engine = engine
        self._accounts = accounts

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["PostingTransaction"]:
        """One transaction; committed at the end, rolled back on any error.

        Raises the database's errors, and OutcomeUnknown if the connection breaks at the commit.
        """
        async with transaction(self._engine) as connection:
            posting = PostingTransaction(connection, self._accounts)
            yield posting
        self._accounts.remember(posting.opened)

    async def open_account(self, name: AccountName, now: datetime, term: int) -> bool:
        """Opens an account of the chart unless it is open; durable when it returns.

        False, and nothing is done, if the term is over.
        """
        async with transaction(self._engine) as connection:
            if (await connection.execute(_TERM_IS, {"term": term})).one_or_none() is None:
                return False
            ids = await open_accounts(connection, [name], now)
            await connection.execute(_OPEN_BALANCE, {"id": ids[name]})
        return True


class PostingTransaction:
    """The writer's transaction. Lock the head first; everything read after it stays as it is."""

    def __init__(self, connection: AsyncConnection, accounts: AccountIds) -> None:
        self._connection = connection
        self._accounts = accounts
        self._ids: dict[AccountName, int] = {}
        self.opened: dict[AccountName, int] = {}

    async def lock_head(self, term: int) -> Head | None:
        """Waits for other writers to finish, and returns where the chain ends.

        None if the term is over: another process writes, and this one must not.
        """
        row = (await self._connection.execute(_LOCK_HEAD)).one()
        return Head(row.sequence, row.hash, row.recorded_time) if row.term == term else None

    async def posted(self, entry_ids: Collection[UUID]) -> dict[UUID, Posted]:
        """Those of the entry ids that stand in the books."""
        rows = await self._connection.execute(_POSTED, {"entry_ids": array(entry_ids)})
        return {row.entry_id: Posted(row.sequence, row.content_hash, row.hash) for row in rows}

    async def turnovers(self, names: Collection[AccountName]) -> dict[AccountName, Turnover]:
        """What has gone through those of the accounts that are opened."""
        self._ids = await self._accounts.ids_of(self._connection, names)
        rows = await self._connection.execute(_TURNOVERS, {"ids": array(self._ids.values())})
        by_id = {row.account_id: Turnover(row.debits, row.credits) for row in rows}
        return {name: by_id[id_] for name, id_ in self._ids.items() if id_ in by_id}

    async def append(self, plan: Plan) -> None:
        """Writes a plan that was made from this transaction's reads."""
        assert plan.head.recorded_time is not None, "a plan with entries has a recording time"
        missing = plan.turnovers.keys() - self._ids.keys()
        if missing:
            self.opened = await open_accounts(self._connection, missing, plan.head.recorded_time)
        ids = self._ids | self.opened
        await self._copy(copy.ENTRIES, copy.entry_rows(plan.entries))
        rows = copy.transfer_rows(plan.entries, ids)
        await self._copy(copy.TRANSFERS, rows.transfers)
        await self._copy(copy.RESERVED, rows.reserved)
        await self._copy(copy.STEPS, rows.steps)
        await self._put_turnovers({ids[name]: sums for name, sums in plan.turnovers.items()})
        await self._add_totals(plan.totals)
        await self._raise_watermarks(plan.watermarks)
        await self._connection.execute(_MOVE_HEAD, plan.head._asdict())

    async def _copy(self, statement: str, rows: str) -> None:
        if not rows:
            return
        pooled = await self._connection.get_raw_connection()
        driver = pooled.driver_connection
        assert driver is not None, "a connection that has just been used has its driver's"
        async with driver.cursor() as cursor, cursor.copy(statement) as stream:
            await stream.write(rows)

    async def _put_turnovers(self, turnovers: Mapping[int, Turnover]) -> None:
        ids = sorted(turnovers)
        await self._connection.execute(
            _PUT_TURNOVERS,
            {
                "ids": array(ids),
                "debits": array(turnovers[id_].debits for id_ in ids),
                "credits": array(turnovers[id_].credits for id_ in ids),
            },
        )

    async def _add_totals(self, totals: Mapping[Cell, Sums]) -> None:
        apart: dict[bool, dict[Cell, Sums]] = {False: {}, True: {}}
        for cell, sums in totals.items():
            unattributed = cell.purpose is Purpose.UNATTRIBUTED
            assert unattributed == (not cell.project), "what is attributed has a project"
            apart[cell.purpose is Purpose.APPEAL][cell] = sums
        await self._add_to(_ADD_TOTALS, apart[False])
        await self._add_to(_ADD_APPEAL_TOTALS, apart[True])

    async def _add_to(self, statement: TextClause, totals: Mapping[Cell, Sums]) -> None:
        if not totals:
            return
        await self._connection.execute(
            statement,
            {
                "campaigns": array(cell.campaign for cell in totals),
                "projects": array(cell.project for cell in totals),
                "hours": array(cell.hour for cell in totals),
                "partners": array(cell.partner for cell in totals),
                "states": array(cell.state.value for cell in totals),
                "currencies": array(cell.currency for cell in totals),
                "micros": array(sums.micros for sums in totals.values()),
                "counts": array(sums.tally for sums in totals.values()),
            },
        )

    async def _raise_watermarks(self, watermarks: Mapping[str, datetime]) -> None:
        if not watermarks:
            return
        await self._connection.execute(
            _RAISE_WATERMARKS,
            {"partners": array(watermarks), "times": array(watermarks.values())},
        )


_LOCK_HEAD = text("SELECT sequence, hash, recorded_time, term FROM head FOR UPDATE")

# Without a lock: should the term end just now, an account too many is open, and holds nothing.
_TERM_IS = text("SELECT term FROM head WHERE term = :term")

_POSTED = text("""
    SELECT entry_id, sequence, content_hash, hash FROM entries
    WHERE entry_id = ANY(CAST(:entry_ids AS uuid[]))
""")

_TURNOVERS = text("""
    SELECT account_id, debits, credits FROM balances
    WHERE account_id = ANY(CAST(:ids AS integer[]))
""")

_OPEN_BALANCE = text("""
    INSERT INTO balances (account_id, debits, credits) VALUES (:id, 0, 0)
    ON CONFLICT (account_id) DO NOTHING
""")

_PUT_TURNOVERS = text("""
    INSERT INTO balances (account_id, debits, credits)
    SELECT * FROM unnest(
        CAST(:ids AS integer[]), CAST(:debits AS bigint[]), CAST(:credits AS bigint[])
    )
    ON CONFLICT (account_id) DO UPDATE SET debits = excluded.debits, credits = excluded.credits
""")

_ADDING = """
    INSERT INTO {totals} AS t (campaign, project, hour, partner, state, currency, micros, count)
    SELECT * FROM unnest(
        CAST(:campaigns AS text[]), CAST(:projects AS text[]), CAST(:hours AS timestamptz[]),
        CAST(:partners AS text[]), CAST(:states AS smallint[]), CAST(:currencies AS text[]),
        CAST(:micros AS bigint[]), CAST(:counts AS bigint[])
    )
    ON CONFLICT (campaign, project, hour, partner, state, currency)
    DO UPDATE SET micros = t.micros + excluded.micros, count = t.count + excluded.count
"""

_ADD_TOTALS = text(_ADDING.format(totals="totals"))

_ADD_APPEAL_TOTALS = text(_ADDING.format(totals="appeal_totals"))

_RAISE_WATERMARKS = text("""
    INSERT INTO watermarks (partner, complete_until)
    SELECT * FROM unnest(CAST(:partners AS text[]), CAST(:times AS timestamptz[]))
    ON CONFLICT (partner) DO UPDATE
    SET complete_until = greatest(watermarks.complete_until, excluded.complete_until)
""")

_MOVE_HEAD = text("""
    UPDATE head SET sequence = :sequence, hash = :hash, recorded_time = :recorded_time
""")
