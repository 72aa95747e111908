"""The writer's connection to the database, and its transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.runtime import database

Driver = psycopg.AsyncConnection[Any]
"""psycopg's own connection, for COPY and for statements that must cost little."""

# The writer looks everything up by key. The planner, whose statistics of a growing table are always
# late, must not come to read a table from end to end instead, and to keep to that.
_SESSION = "SET enable_seqscan = off"


class Connected(NamedTuple):
    """One connection, both ways: statements of either are in the same transaction."""

    connection: AsyncConnection
    driver: Driver


class Session:
    """Keeps one connection for as long as it works, and opens another when it broke.

    To take it from the pool for each group, and to ask whether it is alive, would cost a small
    group as much as what it writes.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connected: Connected | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connected]:
        """One transaction: committed at the end of the block, rolled back if it raises.

        Raises runtime.database.OutcomeUnknown if the connection breaks during the commit, and the
        database's errors (`database.fault_of` reads them) if it breaks or refuses before: nothing
        is committed then.
        """
        connected = self._connected or await self._open()
        try:
            yield connected  # whose first statement begins the transaction
            await database.commit(connected.driver)
            if connected.connection.in_transaction():
                await connected.connection.commit()  # of which nothing is left but its own account
        except BaseException:
            await self._roll_back(connected)
            raise

    async def close(self) -> None:
        """Ends the connection. The next transaction opens another."""
        connected, self._connected = self._connected, None
        if connected is not None:
            # Not to the pool, where nobody expects its settings.
            await connected.connection.invalidate()
            await connected.connection.close()

    async def _open(self) -> Connected:
        connection = await self._engine.connect()
        try:
            raw = await connection.get_raw_connection()
            driver: Driver = raw.driver_connection  # type: ignore[assignment]
            await driver.set_autocommit(True)
            await driver.execute(_SESSION)
            await driver.set_autocommit(False)
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        self._connected = Connected(connection, driver)
        return self._connected

    async def _roll_back(self, connected: Connected) -> None:
        try:
            if connected.driver.broken or connected.connection.invalidated:
                await self.close()
            else:
                await connected.driver.rollback()
                await connected.connection.rollback()
        except Exception:  # noqa: BLE001  the error that led here is the one to tell
            await self.close()
