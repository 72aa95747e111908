"""The lease: which process writes. One row, and the database's own clock.

The lease decides who may try; the term in the head row decides who can. Taking the lease raises the
term under the head's lock, so a writer that slept through the loss of its lease finds another term
there and writes nothing, however long its transaction has been under way. One that froze in the
middle of a transaction, and keeps the head or the lease locked, is cut off by whoever takes over.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.database import application_name, transaction


class LeaseStore:
    """Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine, *, locking: Collection[str] = ()) -> None:
        """locking: the names of the engines on which ledgers lock the head and the lease."""
        self._engine = engine
        self._locking = [application_name(name) for name in locking]

    async def take(self, holder: UUID, seconds: float) -> int | None:
        """Takes the lease if nobody holds it; returns the new term, None if somebody does."""
        async with transaction(self._engine) as connection:
            await connection.execute(_CUT_OFF, {"names": self._locking, "seconds": seconds})
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


# A lapsed lease was last renewed so many seconds ago: what began before has no right to go on.
_CUT_OFF = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user
    AND application_name = ANY(CAST(:names AS text[])) AND pid <> pg_backend_pid()
    AND xact_start < clock_timestamp() - make_interval(secs => :seconds)
    AND EXISTS (SELECT FROM lease WHERE until <= clock_timestamp())
""")

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
