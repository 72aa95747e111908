"""What is recorded at one moment, to be read for as long as that takes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_STATEMENT_MAX = "10min"

# Of the reader's own time between two statements: it may be that of a client far away.
_IDLE_MAX = "5min"


@asynccontextmanager
async def one_moment(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that sees what is recorded now until the block ends, and can change nothing.

    Meanwhile the database keeps all that is deleted or overwritten, and others wait for the
    connection; so a reader that stops reading loses it, with an error at its next statement.
    Raises the database's errors.
    """
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        await connection.execute(text("SET TRANSACTION READ ONLY"))
        await connection.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_MAX}'"))
        await connection.execute(
            text(f"SET LOCAL idle_in_transaction_session_timeout = '{_IDLE_MAX}'")
        )
        yield connection
