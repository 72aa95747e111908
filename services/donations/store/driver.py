"""psycopg's own connection, for COPY and for statements that must cost little."""

from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

Driver = psycopg.AsyncConnection[Any]
"""A connection within its transaction."""


async def driver_of(connection: AsyncConnection) -> Driver:
    """The driver's own connection under SQLAlchemy's, within the transaction that is open there."""
    if not connection.in_transaction():
        await connection.begin()
    raw = await connection.get_raw_connection()
    driver: Driver = raw.driver_connection  # type: ignore[assignment]
    return driver
