"""A large group is written by COPY, in a thread and on a connection of its own.

To the database that is a conversation of a dozen steps. In the service's loop each of them waits
until all else has had its turn that is ready, the reading and planning of thousands of entries
among it, and the database waits as long. A thread has its turn within `_TURN_S`.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString, NamedTuple, TypeVar

import psycopg
from sqlalchemy import Engine, PoolProxiedConnection

from services.ledger.store import copy
from services.ledger.store.accounts import AccountIds
from services.ledger.store.additions import INSERTS, head_of
from services.ledger.store.entry_rows import ENTRIES
from services.ledger.store.fragments import HEAD_HOLDS, HEAD_MOVES
from services.ledger.store.rendered import Rendered
from services.ledger.store.session import SETTINGS
from services.runtime.database import committing, to_its_end

Driver = psycopg.Connection[Any]

Value = TypeVar("Value")

_TURN_S = 0.000_05
"""Python's own is a hundred times as long, as long as the database takes for half a group."""


class _Connected(NamedTuple):
    """A connection, and psycopg's own of it."""

    connection: PoolProxiedConnection
    driver: Driver


class LargeGroups:
    """Writes one large group after the other."""

    def __init__(self, engine: Engine, accounts: AccountIds) -> None:
        """engine: with each of its connections the memory of accounts begins anew.

        Turns get shorter for all threads of the process.
        """
        sys.setswitchinterval(_TURN_S)
        self._engine = engine
        self._accounts = accounts
        self._thread = ThreadPoolExecutor(1, "large-groups")
        self._connected: _Connected | None = None

    async def connect(self) -> None:
        """Connects, unless it is connected: before ids are learned, which a new connection ends."""
        if self._connected is None:
            await self._run(self._open)

    async def write(self, term: int, rendered: Rendered) -> bool:
        """Writes a plan of plain movements between accounts that are open, as one transaction.

        False, with nothing written, if the head or the accounts say that it may not be. Raises the
        database's errors, with nothing written, and OutcomeUnknown. A caller that is cancelled is
        told when it is over.
        """
        return await self._run(lambda: self._write(term, rendered))

    async def close(self) -> None:
        """Ends the connection and the thread."""
        await self._run(self._disconnect)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], Value]) -> Value:
        return await to_its_end(asyncio.get_running_loop().run_in_executor(self._thread, work))

    def _write(self, term: int, rendered: Rendered) -> bool:
        driver = self._open()
        if not rendered.stands_by(self._accounts):
            return False
        try:
            written = _take_head(driver, term, rendered)
            if written:
                _write_rows(driver, rendered)
                with committing():
                    driver.commit()
            else:
                driver.rollback()
        except BaseException:
            self._roll_back(driver)
            raise
        return written

    def _open(self) -> Driver:
        if self._connected is None:
            connection = self._engine.raw_connection()
            try:
                driver: Driver = connection.driver_connection  # type: ignore[assignment]
                driver.autocommit = True
                driver.execute(SETTINGS)
                driver.autocommit = False
            except BaseException:
                connection.invalidate()
                raise
            self._connected = _Connected(connection, driver)
        return self._connected.driver

    def _roll_back(self, driver: Driver) -> None:
        try:
            driver.rollback()
        except Exception:  # noqa: BLE001  the error that led here is the one to tell
            self._disconnect()

    def _disconnect(self) -> None:
        connected, self._connected = self._connected, None
        if connected is not None:
            # Not to the pool, where nobody expects its settings.
            connected.connection.invalidate()


def _take_head(driver: Driver, term: int, rendered: Rendered) -> bool:
    """Locks the head, if the plan may be written."""
    entries = rendered.plan.entries
    with driver.pipeline():  # sent together with what begins the transaction
        locking = driver.execute(
            _TAKE_HEAD,
            {
                "term": term,
                "after": entries.before.sequence,
                "after_hash": entries.before.hash,
                "recorded_time": entries.recorded_time,
            },
            prepare=True,
        )
    return locking.rowcount == 1


def _write_rows(driver: Driver, rendered: Rendered) -> None:
    plan = rendered.plan
    _copy(driver, ENTRIES, rendered.rows.entries)
    _copy(driver, copy.TRANSFERS, rendered.rows.transfers)
    _copy(driver, copy.LATE, copy.late_rows(plan.late))
    with driver.pipeline():  # sent together
        for table, parameters in rendered.rows.sums:
            driver.execute(INSERTS[table.name], parameters, prepare=True)
        driver.execute(_MOVE_HEAD, head_of(plan), prepare=True)


def _copy(driver: Driver, statement: str, rows: Iterable[str] | Iterable[bytes]) -> None:
    """Copies rows, if there are any."""
    some = [part for part in rows if part]
    if some:
        with driver.cursor() as cursor, cursor.copy(statement) as stream:
            for part in some:
                stream.write(part)


_TAKE_HEAD: LiteralString = f"SELECT FROM head WHERE {HEAD_HOLDS} FOR UPDATE"

_MOVE_HEAD: LiteralString = f"UPDATE head SET {HEAD_MOVES}"  # noqa: S608  made of constants
