"""What the writer does in the database: one transaction under the head's lock."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg.errors import NumericValueOutOfRange, UniqueViolation
from sqlalchemy import Engine, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.domain import AccountName, Changes, EntryId, Head, TransferName, Uncounted
from services.ledger.journal.decisions import AccountDecision
from services.ledger.journal.periods import Periods
from services.ledger.journal.plan import Plan, Posted
from services.ledger.journal.standing import Guard, Turnover, guard_of
from services.ledger.journal.steps import Named
from services.ledger.store import copy
from services.ledger.store.accounts import AccountIds, open_accounts
from services.ledger.store.additions import INSERTS, head_of
from services.ledger.store.arrays import array
from services.ledger.store.at_once import write_at_once
from services.ledger.store.copy import RouteTexts
from services.ledger.store.entry_rows import ENTRIES
from services.ledger.store.fragments import HEAD_MOVES
from services.ledger.store.large import LargeGroups
from services.ledger.store.periods import periods_of
from services.ledger.store.rendered import Rendered, Rows, rows_of
from services.ledger.store.session import Connected, Session
from services.ledger.store.steps import DueHolds, due_holds, named_transfers
from services.ledger.store.summed import changes_by
from services.runtime.database import commit

Cursor = psycopg.AsyncCursor[Any]

_AT_ONCE_MAX = 600
"""Transfers. More than that cost less by COPY, for all its round trips."""

_TEXTS_MAX = 65_536
"""Routes, 16 MB of text. With more, all are forgotten, and met again as they are used."""


class Locked(NamedTuple):
    """The head's row.

    uncounted: the entries that the totals' tables do not count. next_expiry: no open hold is over
    before; None if none ever is. periods_sequence: the last entry that decided on a period; 0 if
    none did. asked_time: nothing may be recorded as of it or before.
    """

    head: Head
    uncounted: Uncounted
    next_expiry: datetime | None
    periods_sequence: int
    asked_time: datetime | None


class Standing(NamedTuple):
    """How opened accounts stand, and what binds those that anything binds, opened or not."""

    turnovers: dict[AccountName, Turnover]
    guards: dict[AccountName, Guard]


class Seen(NamedTuple):
    """What stands in the books: of some entry ids those that are posted, and some accounts."""

    locked: Locked
    posted: dict[EntryId, Posted]
    standing: Standing


class EntryRepeated(Exception):
    """An entry id that was taken for new is posted already."""


class TotalTooLarge(Exception):
    """A total would come to more than 64 bits of micros hold."""


class PostingStore:
    """Hands out the transactions of one writer, one after the other."""

    def __init__(
        self, engine: AsyncEngine, large: Engine, *, at_once_max: int = _AT_ONCE_MAX
    ) -> None:
        """large: of the connection for large groups. at_once_max: so many transfers at most are
        written by one statement.
        """
        self._engine = engine
        self._session = Session(engine)
        self._accounts = AccountIds.on(engine.sync_engine, large)
        self._large = LargeGroups(large, self._accounts)
        self._at_once_max = at_once_max
        self._texts: RouteTexts = {}
        self._texts_era = 0

    async def close(self) -> None:
        """Ends the writer's connections, for good."""
        await self._session.close()
        await self._large.close()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["PostingTransaction"]:
        """One transaction; committed at the end, rolled back on any error.

        Raises the database's errors, TotalTooLarge, and OutcomeUnknown if the connection breaks at
        the commit.
        """
        await self._large.connect()
        try:
            async with self._session.transaction() as connected:
                era = self._accounts.era
                posting = PostingTransaction(connected, self._accounts)
                yield posting
        except NumericValueOutOfRange as error:
            raise TotalTooLarge from error
        self._accounts.remember(posting.opened, era)

    async def render(self, plan: Plan) -> Rendered | None:
        """Makes the rows of a plan for `continue_chain`, if they are many.

        None if an account's id is not at hand. Raises the database's errors.
        """
        await self._large.connect()
        era, ids = self._accounts.era, self._accounts.known_all(plan.turnovers.keys())
        if ids is None:
            return None
        if plan.transfers <= self._at_once_max and not plan.late:
            return Rendered(plan, era, ids, Rows())
        return Rendered(plan, era, ids, await rows_of(plan, ids, self._texts_of(era)))

    def _texts_of(self, era: int) -> RouteTexts:
        """What was met in an era."""
        if self._texts_era != era or len(self._texts) > _TEXTS_MAX:
            self._texts, self._texts_era = {}, era
        return self._texts

    async def continue_chain(self, term: int, rendered: Rendered) -> bool:
        """Writes a plan of plain movements between accounts that are open, as one transaction.

        False, with nothing written, if the chain does not end any more where the plan begins, if
        the term is over, if somebody was told meanwhile how the books stood when it is recorded, or
        if an account has another id by now. Raises EntryRepeated, with nothing written, if an entry
        id is posted already; and as `begin`.
        """
        try:
            if rendered.is_large:
                return await self._large.write(term, rendered)
            return await self._write_at_once(term, rendered)
        except UniqueViolation as error:
            raise EntryRepeated from error
        except NumericValueOutOfRange as error:
            raise TotalTooLarge from error

    async def _write_at_once(self, term: int, rendered: Rendered) -> bool:
        async with self._session.alone() as driver:
            if not rendered.stands_by(self._accounts):
                return False
            return await commit(write_at_once(driver, term, rendered.plan, rendered.ids))

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

    def __init__(self, connected: Connected, accounts: AccountIds) -> None:
        self._connection, self._driver = connected
        self._accounts = accounts
        self._ids: dict[AccountName, int] = {}
        self.opened: dict[AccountName, int] = {}

    async def lock_head(
        self, term: int, entry_ids: Collection[EntryId], names: Collection[AccountName]
    ) -> Seen | None:
        """Waits for other writers to finish, and returns where the chain ends and what stands.

        None if the term is over: another process writes, and this one must not.
        """
        known = self._accounts.known(names)
        # Sent together. Each sees what is committed when its own turn comes, which is not before
        # the head is locked.
        async with self._driver.pipeline():
            locking = await self._execute(_LOCK_HEAD)
            posting = await self._execute(_POSTED, {"entry_ids": array(entry_ids)})
            standing = await self._execute(_STANDING, {"ids": array(known.values())})
        sequence, hash_, recorded_time, found, after, through, *rest = await _one(locking)
        if found != term:
            return None
        posted = {entry_id: Posted(*there) async for entry_id, *there in posting}
        if len(known) < len(names):
            stands = await self.standing(names)
        else:
            self._ids = known
            stands = await self._standing_of(names, standing)
        head = Head(sequence, hash_, recorded_time)
        return Seen(Locked(head, Uncounted(after, through), *rest), posted, stands)

    async def standing(self, names: Collection[AccountName]) -> Standing:
        """How those of the accounts stand that are opened, and what binds any of them."""
        self._ids = await self._accounts.ids_of(self._connection, names)
        return await self._standing_of(
            names, await self._execute(_STANDING, {"ids": array(self._ids.values())})
        )

    async def _standing_of(self, names: Collection[AccountName], found: Cursor) -> Standing:
        rows = {row[0]: row async for row in found}
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

    async def changes_by(self, uncounted: Uncounted) -> Changes:
        """What entries change in the totals."""
        return await changes_by(self._connection, uncounted)

    async def periods(self) -> Periods:
        """The states of all periods."""
        return await periods_of(self._connection)

    async def append(self, plan: Plan) -> None:
        """Writes a plan that was made from this transaction's reads."""
        ids = await self._ids_for(plan)
        rows = await rows_of(plan, ids, {})
        await self._copy(ENTRIES, rows.entries)
        await self._copy(copy.TRANSFERS, rows.transfers)
        await self._copy(copy.RESERVED, copy.reserved_rows(plan.entries, ids))
        await self._copy(copy.STEPS, copy.step_rows(plan.entries))
        await self._copy(copy.LATE, copy.late_rows(plan.late))
        async with self._driver.pipeline():  # sent together
            for table, parameters in rows.sums:
                await self._driver.execute(INSERTS[table.name], parameters, prepare=True)
            await self._put_held({ids[name]: plan.turnovers[name] for name in plan.stepped})
            await self._decide([(ids[decision.name], decision) for decision in plan.decisions])
            await self._execute(
                _MOVE_HEAD,
                {
                    **head_of(plan),
                    "next_expiry": plan.next_expiry,
                    "periods_sequence": plan.periods.sequence,
                },
            )

    async def _ids_for(self, plan: Plan) -> Mapping[AccountName, int]:
        """The ids of a plan's accounts; those that are not opened yet are."""
        missing = plan.turnovers.keys() - self._ids.keys()
        if missing:
            now = plan.entries.recorded_time
            self.opened = await open_accounts(self._connection, missing, now)
        return self._ids | self.opened

    async def _copy(self, statement: str, rows: Iterable[str] | Iterable[bytes]) -> None:
        """Copies rows, if there are any."""
        some = [part for part in rows if part]
        if some:
            async with self._driver.cursor() as cursor, cursor.copy(statement) as stream:
                for part in some:
                    await stream.write(part)

    async def _execute(
        self, statement: LiteralString, parameters: Mapping[str, object] | None = None
    ) -> Cursor:
        return await self._driver.execute(statement, parameters, prepare=True)

    async def _put_held(self, turnovers: Mapping[int, Turnover]) -> None:
        if not turnovers:
            return
        await self._execute(
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
        await self._execute(
            _DECIDE,
            {
                "ids": array(ids),
                "states": array(int(states.get(id_, 0)) for id_ in ids),
                "limits": array(int(limits.get(id_, 0)) for id_ in ids),
            },
        )


_LOCK_HEAD = """
    SELECT sequence, hash, recorded_time, term, uncounted_after, uncounted_through,
        next_expiry, periods_sequence, asked_time
    FROM head FOR UPDATE
"""

_NEXT_EXPIRY = text("SELECT next_expiry FROM head")

_POSTED = """
    SELECT CAST(entry_id AS text), sequence, content_hash, hash FROM entries
    WHERE entry_id = ANY(CAST(%(entry_ids)s AS uuid[]))
"""

_STANDING = """
    SELECT account_id, debits, credits, held_debits, held_credits, state, account_limit
    FROM balances WHERE account_id = ANY(CAST(%(ids)s AS integer[]))
"""

_PUT_HELD = """
    UPDATE balances b SET held_debits = held.debits, held_credits = held.credits
    FROM unnest(
        CAST(%(ids)s AS integer[]), CAST(%(debits)s AS bigint[]), CAST(%(credits)s AS bigint[])
    ) AS held (account_id, debits, credits)
    WHERE b.account_id = held.account_id
"""

# 0 leaves what was decided before, if anything was.
_DECIDE = """
    UPDATE balances b
    SET state = coalesce(nullif(decided.state, 0), b.state),
        account_limit = coalesce(nullif(decided.account_limit, 0), b.account_limit)
    FROM unnest(
        CAST(%(ids)s AS integer[]), CAST(%(states)s AS smallint[]), CAST(%(limits)s AS smallint[])
    ) AS decided (account_id, state, account_limit)
    WHERE b.account_id = decided.account_id
"""

_MOVE_HEAD: LiteralString = f"""
    UPDATE head SET {HEAD_MOVES},
        next_expiry = CAST(%(next_expiry)s AS timestamptz), periods_sequence = %(periods_sequence)s
"""  # noqa: S608  made of constants


async def _one(cursor: Cursor) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = await cursor.fetchone()
    assert row is not None, "the head is there"
    return row
