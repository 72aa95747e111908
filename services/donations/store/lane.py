"""One writer's connection to the database, and its transactions."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donations.store.driver import Driver
from services.donations.store.gifts import CREATE_STAGING
from services.runtime import database

# A lane looks everything up by key. The planner, whose statistics of a growing table are always
# late, must not come to read a table from end to end or to sort it instead.
_SESSION = ("SET enable_seqscan = off", "SET enable_mergejoin = off", CREATE_STAGING)


class Lane:
    """Keeps one connection for as long as it works, and opens another when it broke."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._driver: Driver | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Driver]:
        """One transaction: committed at the end of the block, rolled back if it raises.

        Raises runtime.database.OutcomeUnknown if the connection breaks during the commit, and the
        database's errors (`database.fault_of` reads them) if it breaks or refuses before: nothing
        is committed then.
        """
        driver = await self._open()
        try:
            await driver.execute(b"BEGIN")
            yield driver
            await database.commit(driver.commit())
        except BaseException:
            await self._roll_back(driver)
            raise

    async def execute(self, statement: bytes, values: Sequence[object]) -> int:
        """One statement that is a transaction of its own; returns how many rows it came to.

        Raises as the end of `transaction` does: OutcomeUnknown if the connection breaks.
        """
        driver = await self._open()
        try:
            return (await database.commit(driver.execute(statement, values))).rowcount
        except BaseException:
            await self._roll_back(driver)
            raise

    async def close(self) -> None:
        """Gives the connection back. The next transaction opens another."""
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            # Not to the pool: the staging table is this session's alone.
            await connection.invalidate()
            await connection.close()

    async def _open(self) -> Driver:
        if self._driver is None:
            connection = await self._engine.connect()
            try:
                raw = await connection.get_raw_connection()
                driver: Driver = raw.driver_connection  # type: ignore[assignment]
                await driver.set_autocommit(True)
                for statement in _SESSION:
                    await driver.execute(statement)
            except BaseException:
                await connection.invalidate()
                await connection.close()
                raise
            self._connection, self._driver = connection, driver
        return self._driver

    async def _roll_back(self, driver: Driver) -> None:
        try:
            if driver.broken:
                await self.close()
            else:
                await driver.rollback()
        except Exception:  # noqa: BLE001  the error that led here is the one to tell
            await self.close()
