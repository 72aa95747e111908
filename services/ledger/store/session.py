"""Connections that are kept: the writer's with its transactions, and what is asked often."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.runtime import database

Driver = psycopg.AsyncConnection[Any]
"""psycopg's own connection, for COPY and for statements that must cost little."""

SETTINGS = "SET enable_seqscan = off"
"""All is looked up by key. The planner, whose statistics of a growing table are always late, must
not come to read a table from end to end instead, and to keep to that.
"""


class Connected(NamedTuple):
    """One connection, both ways: statements of either are in the same transaction."""

    connection: AsyncConnection
    driver: Driver


class Kept:
    """Keeps one connection for as long as it works, and opens another when it broke.

    To take it from the pool each time, and to ask whether it is alive, costs as much as what is
    then done with it. For one user at a time.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connected: Connected | None = None

    async def open(self) -> Connected:
        """The connection, on which each statement is a transaction of its own."""
        if self._connected is not None:
            return self._connected
        connection = await self._engine.connect()
        try:
            raw = await connection.get_raw_connection()
            driver: Driver = raw.driver_connection  # type: ignore[assignment]
            await driver.set_autocommit(True)
            await driver.execute(SETTINGS)
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        self._connected = Connected(connection, driver)
        return self._connected

    async def close(self) -> None:
        """Ends the connection; `open` opens another."""
        connected, self._connected = self._connected, None
        if connected is not None:
            # Not to the pool, where nobody expects its settings.
            await connected.connection.invalidate()
            await connected.connection.close()


class Session:
    """The writer's transactions, on one connection."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._kept = Kept(engine)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Driver]:
        """For one statement that is a transaction of its own. Raises the database's errors."""
        connected = await self._kept.open()
        try:
            yield connected.driver
        except BaseException:
            await self._roll_back(connected)
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connected]:
        """One transaction: committed at the end of the block, rolled back if it raises.

        Raises runtime.database.OutcomeUnknown if the connection breaks during the commit, and the
        database's errors (`database.fault_of` reads them) if it breaks or refuses before: nothing
        is committed then.
        """
        connected = await self._kept.open()
        try:
            await connected.driver.set_autocommit(False)
            yield connected  # whose first statement begins the transaction
            await database.commit(connected.driver.commit())
            await connected.driver.set_autocommit(True)
            if connected.connection.in_transaction():
                await connected.connection.commit()  # of which nothing is left but its own account
        except BaseException:
            await self._roll_back(connected)
            raise

    async def close(self) -> None:
        """Ends the connection. The next transaction opens another."""
        await self._kept.close()

    async def _roll_back(self, connected: Connected) -> None:
        try:
            if connected.driver.broken or connected.connection.invalidated:
                await self.close()
            else:
                await connected.driver.rollback()
                await connected.driver.set_autocommit(True)
                await connected.connection.rollback()
        except Exception:  # noqa: BLE001  the error that led here is the one to tell
            await self.close()
