"""What stands in suspense, or has left it: found for whoever allocates it, and listed by kind."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donations.allocation.allocation import Allocated, Place, Standing, Suspended
from services.donations.domain import BUCKETS, Key, SuspenseReason
from services.donations.store.driver import Driver, driver_of
from services.donations.store.fragments import allocated
from services.donations.store.moment import one_moment
from services.runtime.paging import SMALLINT_MAX

LOOK = 20_000
"""Reports that are looked at for one step, however few of them are of its kind."""

# By the key of the kept sums, from where the page before ended: what is behind the page is not
# read.
_STANDING = text(
    """
    SELECT a.code AS partner, k.*
    FROM (
        SELECT partner_id, project, reason, currency, sum(gifts) AS gifts, sum(micros) AS micros
        FROM suspense_sums
        WHERE (partner_id, project, reason, currency)
            > (:partner_id, :project, :reason, :currency)
          AND partner_id BETWEEN :first AND :last
        GROUP BY partner_id, project, reason, currency HAVING sum(gifts) > 0
        ORDER BY partner_id, project, reason, currency LIMIT :limit
    ) k
    JOIN partners a ON a.id = k.partner_id
    ORDER BY k.partner_id, k.project, k.reason, k.currency"""
)

_DECIDED = allocated("true", ":bucket, :partner_id, s.external_id")

_FOUND = """
    SELECT ARRAY(SELECT external_id FROM found ORDER BY external_id) AS ids,
           (SELECT count(*) FROM looked_at) AS looked_at,
           (SELECT max(external_id) FROM looked_at) AS last"""

# Within one bucket a partner's reports follow one another in the key's index.
_FIND = text(
    f"""
    WITH looked_at AS MATERIALIZED (
        SELECT external_id, project, reason FROM suspended
        WHERE bucket = :bucket AND partner_id = :partner_id AND external_id > :external_id
        ORDER BY external_id LIMIT :look
    ), found AS (
        SELECT external_id FROM looked_at s {_DECIDED}
        WHERE (CAST(:project AS text) IS NULL OR s.project = :project)
          AND (CAST(:reason AS smallint) IS NULL OR s.reason = :reason)
          AND q.id IS NULL
        ORDER BY external_id LIMIT :limit
    )
    {_FOUND}"""  # noqa: S608  made of constants
)

_FIND_ALLOCATED = text(
    f"""
    WITH looked_at AS MATERIALIZED (
        SELECT external_id FROM allocated
        WHERE bucket = :bucket AND partner_id = :partner_id AND external_id > :external_id
        ORDER BY external_id LIMIT :look
    ), found AS (
        SELECT external_id FROM looked_at s {_DECIDED}
        WHERE q.code = :allocated_to
          AND (CAST(:request_id AS uuid) IS NULL OR w.request_id = :request_id)
        ORDER BY external_id LIMIT :limit
    )
    {_FOUND}"""  # noqa: S608  made of constants
)


class StandingPlace(NamedTuple):
    """Where a page ended."""

    partner_id: int = 0
    project: str = ""
    reason: int = 0
    currency: str = ""


class Part(NamedTuple):
    """Some of what was looked for. end: where to go on; the end of all if is_last."""

    keys: Sequence[Key]
    end: Place
    is_last: bool


class SuspenseReader:
    """Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def standing(
        self, partner_id: int | None, after: StandingPlace, limit: int
    ) -> list[Standing]:
        """What stands in suspense of one partner or, if None, of all, by kind, behind a place."""
        first, last = (0, SMALLINT_MAX) if partner_id is None else (partner_id, partner_id)
        values = {**after._asdict(), "first": first, "last": last, "limit": limit}
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_STANDING, values)).all()
        return [
            Standing(
                row.partner,
                row.project,
                SuspenseReason(row.reason),
                row.currency,
                int(row.gifts),
                int(row.micros),
                row.partner_id,
            )
            for row in rows
        ]

    async def part(
        self, partner_id: int, wanted: Suspended | Allocated, after: Place, limit: int
    ) -> Part:
        """The next gifts of a kind, as they stand now: so many at most."""
        keys: list[Key] = []
        looked = 0
        async with self._engine.connect() as connection:
            while len(keys) < limit and looked < LOOK and after.bucket < BUCKETS:
                found, looked_at, after = await _find(
                    connection, partner_id, wanted, after, limit - len(keys), LOOK - looked
                )
                keys += found
                looked += looked_at
        return Part(keys, after, after.bucket == BUCKETS)

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[Driver]:
        """A connection that sees what is recorded now, until the block ends."""
        async with one_moment(self._engine) as connection:
            yield await driver_of(connection)


async def _find(
    connection: AsyncConnection,
    partner_id: int,
    wanted: Suspended | Allocated,
    after: Place,
    limit: int,
    look: int,
) -> tuple[Sequence[Key], int, Place]:
    """Looks into one bucket. Returns what it found, how much it looked at, and where to go on."""
    values = {
        **after._asdict(),
        "partner_id": partner_id,
        "limit": limit,
        "look": look,
    }
    if isinstance(wanted, Allocated):
        values |= {"allocated_to": wanted.project, "request_id": wanted.request_id}
        row = (await connection.execute(_FIND_ALLOCATED, values)).one()
    else:
        reason = None if wanted.reason is None else int(wanted.reason)
        values |= {"project": wanted.project, "reason": reason}
        row = (await connection.execute(_FIND, values)).one()
    keys = [Key(after.bucket, partner_id, external_id) for external_id in row.ids]
    if len(keys) == limit:
        return keys, row.looked_at, Place(after.bucket, keys[-1].external_id)
    if row.looked_at < look:
        return keys, row.looked_at, Place(after.bucket + 1, "")
    return keys, row.looked_at, Place(after.bucket, row.last)
