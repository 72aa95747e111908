"""What the writer does in the database: one transaction under the head's lock."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ledger.decisions import AccountDecision
from services.ledger.domain import AccountName, Cell, Head, Purpose, Sums, TransferName
from services.ledger.periods import Periods
from services.ledger.plan import Plan, Posted
from services.ledger.seal import rfc3339
from services.ledger.standing import Guard, Turnover, guard_of
from services.ledger.steps import Named
from services.ledger.store import copy
from services.ledger.store.accounts import AccountIds, open_accounts
from services.ledger.store.arrays import array
from services.ledger.store.periods import periods_of
from services.ledger.store.steps import DueHolds, due_holds, named_transfers


class Locked(NamedTuple):
    """The head's row.

    next_expiry: no open hold is over before; None if none ever is. periods_sequence: the last entry
    that decided on a period; 0 if none did.
    """

    head: Head
    next_expiry: datetime | None
    periods_sequence: int


class Standing(NamedTuple):
    """How opened accounts stand, and what binds those that anything binds, opened or not."""

    turnovers: dict[AccountName, Turnover]
    guards: dict[AccountName, Guard]


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

    async def next_expiry(self) -> datetime | None:
        """No open hold is over before this; None if none ever is."""
        async with self._engine.connect() as connection:
            time: datetime | None = await connection.scalar(_NEXT_EXPIRY)
        return time

    async def is_open(self, name: AccountName) -> bool:
        """Whether an account is open."""
        async with self._engine.connect() as connection:
            return name in await self._accounts.ids_of(connection, [name])


class PostingTransaction:
    """The writer's transaction. Lock the head first; everything read after it stays as it is."""

    def __init__(self, connection: AsyncConnection, accounts: AccountIds) -> None:
        self._connection = connection
        self._accounts = accounts
        self._ids: dict[AccountName, int] = {}
        self.opened: dict[AccountName, int] = {}

    async def lock_head(self, term: int) -> Locked | None:
        """Waits for other writers to finish, and returns where the chain ends.

        None if the term is over: another process writes, and this one must not.
        """
        row = (await self._connection.execute(_LOCK_HEAD)).one()
        if row.term != term:
            return None
        head = Head(row.sequence, row.hash, row.recorded_time)
        return Locked(head, row.next_expiry, row.periods_sequence)

    async def posted(self, entry_ids: Collection[UUID]) -> dict[UUID, Posted]:
        """Those of the entry ids that stand in the books."""
        rows = await self._connection.execute(_POSTED, {"entry_ids": array(entry_ids)})
        return {row.entry_id: Posted(row.sequence, row.content_hash, row.hash) for row in rows}

    async def standing(self, names: Collection[AccountName]) -> Standing:
        """How those of the accounts stand that are opened, and what binds any of them."""
        self._ids = await self._accounts.ids_of(self._connection, names)
        result = await self._connection.execute(_STANDING, {"ids": array(self._ids.values())})
        rows = {row[0]: row for row in result}
        turnovers: dict[AccountName, Turnover] = {}
        guards: dict[AccountName, Guard] = {}
        for name in names:
            state = limit = None
            id_ = self._ids.get(name)
            if id_ is not None and (row := rows.get(id_)):
                _, debits, credits_, held_debits, held_credits, state, limit = row
                turnovers[name] = Turnover(debits, credits_, held_debits, held_credits)
            if guard := guard_of(name.code, state, limit):
                guards[name] = guard
        return Standing(turnovers, guards)

    async def named(self, names: Collection[TransferName]) -> dict[TransferName, Named]:
        """Those of the transfers that stand in the books, and what became of them."""
        return await named_transfers(self._connection, self._accounts, names)

    async def due(self, since: datetime, now: datetime) -> DueHolds:
        """The open holds whose time is over. since: none was over before."""
        return await due_holds(self._connection, self._accounts, since, now)

    async def periods(self) -> Periods:
        """The states of all periods."""
        return await periods_of(self._connection)

    async def append(self, plan: Plan) -> None:
        """Writes a plan that was made from this transaction's reads."""
        if plan.entries:
            await self._append(plan, plan.entries[-1].recorded_time)
        await self._connection.execute(
            _MOVE_HEAD,
            {
                **plan.head._asdict(),
                "next_expiry": plan.next_expiry,
                "periods_sequence": plan.periods.sequence,
            },
        )

    async def _append(self, plan: Plan, now: datetime) -> None:
        missing = plan.turnovers.keys() - self._ids.keys()
        if missing:
            self.opened = await open_accounts(self._connection, missing, now)
        ids = self._ids | self.opened
        await self._copy(copy.ENTRIES, copy.entry_rows(plan.entries))
        rows = copy.transfer_rows(plan.entries, ids)
        await self._copy(copy.TRANSFERS, rows.transfers)
        await self._copy(copy.RESERVED, rows.reserved)
        await self._copy(copy.STEPS, rows.steps)
        await self._copy(copy.LATE, copy.late_rows(plan.late))
        await self._put_turnovers({ids[name]: sums for name, sums in plan.turnovers.items()})
        await self._put_held({ids[name]: plan.turnovers[name] for name in plan.stepped})
        await self._decide([(ids[decision.name], decision) for decision in plan.decisions])
        await self._add_totals(plan.totals)
        await self._raise_watermarks(plan.watermarks)

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

    async def _put_held(self, turnovers: Mapping[int, Turnover]) -> None:
        if not turnovers:
            return
        await self._connection.execute(
            _PUT_HELD,
            {
                "ids": array(turnovers),
                "debits": array(sums.held_debits for sums in turnovers.values()),
                "credits": array(sums.held_credits for sums in turnovers.values()),
            },
        )

    async def _decide(self, decisions: Sequence[tuple[int, AccountDecision]]) -> None:
        if not decisions:
            return
        states = {id_: decision.state for id_, decision in decisions if decision.state}
        limits = {id_: decision.limit for id_, decision in decisions if decision.limit}
        ids = sorted(states.keys() | limits.keys())
        await self._connection.execute(
            _DECIDE,
            {
                "ids": array(ids),
                "states": array(int(states.get(id_, 0)) for id_ in ids),
                "limits": array(int(limits.get(id_, 0)) for id_ in ids),
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
                "campaigns": array([cell.campaign for cell in totals]),
                "projects": array([cell.project for cell in totals]),
                "hours": array([rfc3339(cell.hour) for cell in totals]),
                "partners": array([cell.partner for cell in totals]),
                "states": array([int(cell.state) for cell in totals]),
                "currencies": array([cell.currency for cell in totals]),
                "micros": array([sums.micros for sums in totals.values()]),
                "counts": array([sums.tally for sums in totals.values()]),
            },
        )

    async def _raise_watermarks(self, watermarks: Mapping[str, datetime]) -> None:
        if not watermarks:
            return
        await self._connection.execute(
            _RAISE_WATERMARKS,
            {"partners": array(watermarks), "times": array(watermarks.values())},
        )


_LOCK_HEAD = text("""
    SELECT sequence, hash, recorded_time, term, next_expiry, periods_sequence FROM head FOR UPDATE
""")

_NEXT_EXPIRY = text("SELECT next_expiry FROM head")

_POSTED = text("""
    SELECT entry_id, sequence, content_hash, hash FROM entries
    WHERE entry_id = ANY(CAST(:entry_ids AS uuid[]))
""")

_STANDING = text("""
    SELECT account_id, debits, credits, held_debits, held_credits, state, account_limit
    FROM balances WHERE account_id = ANY(CAST(:ids AS integer[]))
""")

_PUT_TURNOVERS = text("""
    INSERT INTO balances (account_id, debits, credits)
    SELECT * FROM unnest(
        CAST(:ids AS integer[]), CAST(:debits AS bigint[]), CAST(:credits AS bigint[])
    )
    ON CONFLICT (account_id) DO UPDATE SET debits = excluded.debits, credits = excluded.credits
""")

_PUT_HELD = text("""
    UPDATE balances b SET held_debits = held.debits, held_credits = held.credits
    FROM unnest(
        CAST(:ids AS integer[]), CAST(:debits AS bigint[]), CAST(:credits AS bigint[])
    ) AS held (account_id, debits, credits)
    WHERE b.account_id = held.account_id
""")

# 0 leaves what was decided before, if anything was.
_DECIDE = text("""
    UPDATE balances b
    SET state = coalesce(nullif(decided.state, 0), b.state),
        account_limit = coalesce(nullif(decided.account_limit, 0), b.account_limit)
    FROM unnest(
        CAST(:ids AS integer[]), CAST(:states AS smallint[]), CAST(:limits AS smallint[])
    ) AS decided (account_id, state, account_limit)
    WHERE b.account_id = decided.account_id
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
    UPDATE head SET sequence = :sequence, hash = :hash, recorded_time = :recorded_time,
        next_expiry = CAST(:next_expiry AS timestamptz), periods_sequence = :periods_sequence
""")
