"""Gifts, for those who ask."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donations.allocation.allocation import RecordedAllocation
from services.donations.domain import BUCKETS, Gift, Key, bucket_of, micros_of
from services.donations.life.recorded import RecordedGift, RecordedReport
from services.donations.life.transitions import State
from services.donations.store.driver import driver_of
from services.donations.store.fragments import AS_REPORTED, CAMPAIGN, PROJECT, allocated
from services.donations.store.lives import whole_life

# Whose gift a rail's report d is about: of several origins that name it and tell of the same sum
# the least has it. One look at the links' index a row.
_ORIGIN = """
    LEFT JOIN LATERAL (
        SELECT l.bucket, l.partner_id, l.external_id FROM links l
        JOIN donations n USING (bucket, partner_id, external_id)
        WHERE (l.rail_bucket, l.rail_partner_id, l.rail_external_id)
            = (d.bucket, d.partner_id, d.external_id)
          AND (n.amount_micros, n.currency) = (d.amount_micros, d.currency)
        ORDER BY l.bucket, l.partner_id, l.external_id LIMIT 1
    ) o ON true"""

# The rail's report that an origin's report d names, if it tells of another sum.
_CONTRADICTOR = """
    LEFT JOIN LATERAL (
        SELECT n.partner_id, n.external_id FROM links l
        JOIN donations n
          ON (n.bucket, n.partner_id, n.external_id)
           = (l.rail_bucket, l.rail_partner_id, l.rail_external_id)
        WHERE (l.bucket, l.partner_id, l.external_id) = (d.bucket, d.partner_id, d.external_id)
          AND (n.amount_micros, n.currency) <> (d.amount_micros, d.currency)
        OFFSET 0
    ) m ON true"""

# What became of a gift is told the same by each report of it: as it is booked of its origin's, g.
# OFFSET 0 as in AS_REPORTED.
_COLUMNS = f"""
    SELECT d.bucket, d.external_id, d.amount_micros, d.currency, d.event_time, d.batch_id,
           coalesce(g.project_id, d.project_id) = 0 AND q.id IS NULL AS suspended,
           b.recorded_time,
           {PROJECT} AS project, {CAMPAIGN} AS campaign,
           coalesce(t.refunded_micros, 0) AS refunded_micros, coalesce(t.state, 1) AS state,
           coalesce(g.currency, d.currency) AS booked_currency,
           q.code AS allocated, coalesce(e.code, '') AS allocated_campaign,
           w.allocate_time, w.request_id, x.caller
    FROM"""

_DECIDED = allocated(
    "coalesce(g.project_id, d.project_id) = 0",
    "coalesce(o.bucket, d.bucket), coalesce(o.partner_id, d.partner_id), "
    "coalesce(o.external_id, d.external_id)",
)

_JOINS = f"""d
    JOIN batches b ON b.id = d.batch_id {AS_REPORTED} {_ORIGIN}
    LEFT JOIN LATERAL (
        SELECT * FROM donations n
        WHERE (n.bucket, n.partner_id, n.external_id) = (o.bucket, o.partner_id, o.external_id)
        OFFSET 0
    ) g ON true
    LEFT JOIN LATERAL (
        SELECT * FROM positions n
        WHERE n.bucket = coalesce(o.bucket, d.bucket)
          AND n.partner_id = coalesce(o.partner_id, d.partner_id)
          AND n.external_id = coalesce(o.external_id, d.external_id)
        OFFSET 0
    ) t ON true
{_DECIDED}
    LEFT JOIN allocations x ON x.request_id = w.request_id"""  # noqa: S608  made of constants

_ONE = text(
    f"""{_COLUMNS} donations {_JOINS}
    WHERE (d.bucket, d.partner_id, d.external_id) = (:bucket, :partner_id, :external_id)"""
)

# The key leads with the bucket, so a page is taken from each bucket's own range of the index.
_OF_PAGE = """(
        SELECT g.* FROM unnest(CAST(:buckets AS smallint[])) AS s(bucket)
        CROSS JOIN LATERAL (
            SELECT * FROM donations
            WHERE bucket = s.bucket AND partner_id = :partner_id
              AND (s.bucket > :bucket OR external_id > :external_id)
            ORDER BY external_id LIMIT :limit
        ) g
        ORDER BY g.bucket, g.external_id LIMIT :limit
    )"""

_PAGE = text(
    f"""{_COLUMNS} {_OF_PAGE} {_JOINS}
    ORDER BY d.bucket, d.external_id"""
)

_REPORTS = text(
    f"""
    SELECT d.external_id, d.amount_micros, d.currency, d.event_time, d.batch_id, b.recorded_time,
           a.code AS origin, coalesce(o.external_id, m.external_id) AS origin_id
    FROM {_OF_PAGE} d
    JOIN batches b ON b.id = d.batch_id {_ORIGIN} {_CONTRADICTOR}
    LEFT JOIN partners a ON a.id = coalesce(o.partner_id, m.partner_id)
    ORDER BY d.bucket, d.external_id"""  # noqa: S608  made of constants
)

_STREAM = text(
    "SELECT next_offset FROM streams WHERE partner_id = :partner_id AND stream_id = :stream_id"
)

# Each key that something waits for costs one look at the gifts' key. Most gifts may never come, so
# only so many keys are looked at together; the last of them is told in any case, to go on behind.
_WAITING = text(
    """
    WITH looked_at AS MATERIALIZED (
        SELECT bucket, partner_id, external_id, count(*) AS reports FROM waiting
        WHERE (bucket, partner_id, external_id) > (:bucket, :partner_id, :external_id)
        GROUP BY bucket, partner_id, external_id
        ORDER BY bucket, partner_id, external_id LIMIT :limit
    ), found AS (
        SELECT k.*, d.bucket IS NOT NULL AS is_recorded FROM looked_at k
        LEFT JOIN LATERAL (
            SELECT g.bucket FROM donations g
            WHERE (g.bucket, g.partner_id, g.external_id) = (k.bucket, k.partner_id, k.external_id)
            OFFSET 0
        ) d ON true
    ), counted AS (
        SELECT *, count(*) OVER () AS keys,
               sum(reports) FILTER (WHERE NOT is_recorded) OVER () AS lonely,
               row_number() OVER (ORDER BY bucket, partner_id, external_id) AS number
        FROM found
    )
    SELECT bucket, partner_id, external_id, is_recorded, keys, coalesce(lonely, 0) AS lonely
    FROM counted WHERE is_recorded OR number = keys ORDER BY number"""
)

_BEFORE_ALL = Key(-1, 0, "")


class Waiting(NamedTuple):
    """A part of what waits for gifts.

    bookable: the recorded gifts among those that something waits for. lonely: how many reports wait
    for the others. last: where the next part goes on; None at the end.
    """

    bookable: Sequence[Key]
    lonely: int
    last: Key | None


class GiftReader:
    """Reads what is recorded. Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def gift(self, partner: str, partner_id: int, external_id: str) -> RecordedGift | None:
        """A gift without what happened to it; None if it is not recorded."""
        key = Key(bucket_of(external_id), partner_id, external_id)
        async with self._engine.connect() as connection:
            row = (await connection.execute(_ONE, key._asdict())).one_or_none()
        return None if row is None else _recorded(partner, row)

    async def life(self, partner: str, partner_id: int, external_id: str) -> RecordedGift | None:
        """A gift with all that happened to it; None if it is not recorded."""
        key = Key(bucket_of(external_id), partner_id, external_id)
        async with self._engine.connect() as connection:
            # All of it as it was at one moment: its moves are those that led to its state.
            await connection.execution_options(isolation_level="REPEATABLE READ")
            row = (await connection.execute(_ONE, key._asdict())).one_or_none()
            if row is None:
                return None
            return await whole_life(await driver_of(connection), key, _recorded(partner, row))

    async def page(
        self, partner: str, partner_id: int, after: tuple[int, str] | None, limit: int
    ) -> list[RecordedGift]:
        """A partner's gifts without what happened to them, by bucket and id, after a position."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_PAGE, _behind(partner_id, after, limit))).all()
        return [_recorded(partner, row) for row in rows]

    async def reports(
        self, partner: str, partner_id: int, after: tuple[int, str] | None, limit: int
    ) -> list[RecordedReport]:
        """A partner's reports, by bucket and id, after a position."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_REPORTS, _behind(partner_id, after, limit))).all()
        return [
            RecordedReport(
                partner,
                row.external_id,
                row.amount_micros,
                row.currency,
                micros_of(row.event_time),
                row.recorded_time,
                row.batch_id,
                (row.origin, row.origin_id) if row.origin else (partner, row.external_id),
            )
            for row in rows
        ]

    async def next_offset(self, partner_id: int, stream_id: str) -> int:
        """Where a stream goes on; 0 for a new one."""
        parameters = {"partner_id": partner_id, "stream_id": stream_id}
        async with self._engine.connect() as connection:
            return int((await connection.execute(_STREAM, parameters)).scalar() or 0)

    async def waiting(self, after: Key | None, limit: int) -> Waiting:
        """A part of what waits, behind a key or from the first: so many keys at most."""
        values = {**(after or _BEFORE_ALL)._asdict(), "limit": limit}
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_WAITING, values)).all()
        if not rows:
            return Waiting([], 0, None)
        last = rows[-1]
        return Waiting(
            [Key(*row[:3]) for row in rows if row.is_recorded],
            int(last.lonely),
            Key(*last[:3]) if last.keys == limit else None,
        )


def _behind(partner_id: int, after: tuple[int, str] | None, limit: int) -> Mapping[str, object]:
    """The parameters of a page by bucket and id."""
    bucket, external_id = after or (0, "")
    return {
        "bucket": bucket,
        "buckets": list(range(bucket, BUCKETS)),
        "partner_id": partner_id,
        "external_id": external_id,
        "limit": limit,
    }


def _recorded(partner: str, row: Row[Any]) -> RecordedGift:
    return RecordedGift(
        Gift(
            partner,
            row.external_id,
            row.project,
            row.campaign,
            row.amount_micros,
            row.currency,
            micros_of(row.event_time),
        ),
        row.recorded_time,
        row.batch_id,
        row.suspended,
        row.booked_currency,
        row.refunded_micros,
        state=State(row.state),
        allocation=None if row.allocated is None else _allocation(row),
    )


def _allocation(row: Row[Any]) -> RecordedAllocation:
    return RecordedAllocation(
        row.allocated, row.allocated_campaign, row.caller, row.request_id, row.allocate_time
    )
