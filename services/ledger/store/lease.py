"""The lease: which process writes. One row, and the database's own clock.

The lease decides who may try; the term in the head row decides who can. Taking the lease raises the
term under the head's lock, so a writer that slept through the loss of its lease finds another term
there and writes nothing, however long its transaction has been under way.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.database import transaction


class LeaseStore:
    """Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def take(self, holder: UUID, seconds: float) -> int | None:
        """Takes the lease if nobody holds it; returns the new term, None if somebody does."""
        async with transaction(self._engine) as connection:
            taken = await connection.execute(_TAKE, {"holder": holder, "seconds": seconds})
            if taken.one_or_none() is None:
                return None
            # Waits for what the writer before has under way.
            return int((await connection.execute(_NEXT_TERM)).scalar_one())

    async def renew(self, holder: UUID, seconds: float) -> bool:
        """Holds the lease for longer; False if another has taken it."""
        async with transaction(self._engine) as connection:
            renewed = await connection.execute(_RENEW, {"holder": holder, "seconds": seconds})
            return renewed.one_or_none() is not None

    async def release(self, holder: UUID) -> None:
        """Gives the lease up, if it is held."""
        async with transaction(self._engine) as connection:
            await connection.execute(_RELEASE, {"holder": holder})


_TAKE = text("""
    UPDATE lease
    SET holder = :holder, until = clock_timestamp() + make_interval(secs => :seconds)
    WHERE until <= clock_timestamp()
    RETURNING id
""")

_NEXT_TERM = text("UPDATE head SET term = term + 1 RETURNING term")

_RENEW = text("""
    UPDATE lease SET until = clock_timestamp() + make_interval(secs => :seconds)
    WHERE holder = :holder
    RETURNING id
""")

_RELEASE = text("UPDATE lease SET until = clock_timestamp() WHERE holder = :holder")
