"""Batches added up again from their gifts and moves, for the audit: what was stored of a batch as a
whole is not believed, and the arithmetic is SQL's, not that of `lines.py` and `booking.py`. That
the moves are those that they should be is another check (`rederiving.py`).
"""

from collections.abc import AsyncIterator
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donations.domain import Line, LineKind, Purpose
from services.donations.gifts.batch import BatchSummary

_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)

# What one round of queries reads: batches, and gifts in them, unless one batch alone has more.
_BATCHES_AT_ONCE = 500
_GIFTS_AT_ONCE = 200_000


_BATCHES = text(
    """
    SELECT id, gifts, posted_sequence IS NOT NULL AS posted FROM batches
    WHERE id > :low ORDER BY id LIMIT :limit"""
)

# gift_format.py says the same with numpy.
_DIGESTS = text(
    """
    SELECT batch_id, count(*) AS gifts, sha256(string_agg(
        int4send(2) || int2send(bucket) || int4send(2) || int2send(partner_id)
        || int4send(octet_length(external_id)) || textsend(external_id)
        || int4send(8) || int8send(amount_micros)
        || int4send(3) || bpcharsend(currency)
        || int4send(4) || int4send(project_id) || int4send(4) || int4send(campaign_id)
        || int4send(8) || timestamptz_send(event_time),
        ''::bytea ORDER BY bucket, partner_id, external_id)) AS digest
    FROM donations WHERE batch_id > :low AND batch_id <= :high GROUP BY batch_id"""
)

_HOUR = "CAST(floor(extract(epoch FROM d.event_time) / 3600) AS bigint)"

_GIFT_LINES = text(
    f"""
    SELECT d.batch_id, CASE WHEN d.project_id = 0 THEN 2 ELSE 1 END AS kind, a.code AS partner,
           coalesce(u.campaign, c.code, '') AS campaign, coalesce(p.code, '') AS project,
           coalesce(p.purpose, 3) AS purpose, '' AS charity,
           d.currency, {_HOUR} AS hour, sum(d.amount_micros) AS micros, count(*) AS gift_count
    FROM donations d
    JOIN partners a ON a.id = d.partner_id
    LEFT JOIN suspended u ON d.project_id = 0
      AND (u.bucket, u.partner_id, u.external_id) = (d.bucket, d.partner_id, d.external_id)
    LEFT JOIN projects p ON p.id = d.project_id
    LEFT JOIN campaigns c ON c.id = d.campaign_id
    WHERE d.batch_id > :low AND d.batch_id <= :high
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"""  # noqa: S608  made of constants
)

# A move is attributed as its gift is: but in suspense to no project, and at a charity's bank to the
# charity as well.
_MOVE_LINES = text(
    f"""
    SELECT m.batch_id, m.kind, a.code AS partner, coalesce(u.campaign, c.code, '') AS campaign,
           CASE WHEN m.kind IN (4, 6, 14) THEN '' ELSE p.code END AS project,
           CASE WHEN m.kind IN (4, 6, 14) THEN 3 ELSE p.purpose END AS purpose,
           CASE WHEN m.kind IN (8, 9, 16, 17) AND p.purpose = 1 THEN h.code ELSE '' END AS charity,
           d.currency, {_HOUR} AS hour, sum(m.amount_micros) AS micros,
           sum(m.gift_count) AS gift_count
    FROM moves m
    JOIN donations d USING (bucket, partner_id, external_id)
    JOIN partners a ON a.id = m.partner_id
    LEFT JOIN suspended u ON d.project_id = 0
      AND (u.bucket, u.partner_id, u.external_id) = (m.bucket, m.partner_id, m.external_id)
    LEFT JOIN projects p ON p.id = d.project_id
    LEFT JOIN charities h ON h.id = p.charity_id
    LEFT JOIN campaigns c ON c.id = d.campaign_id
    WHERE m.batch_id > :low AND m.batch_id <= :high
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"""  # noqa: S608  made of constants
)


class BatchReader:
    """Adds batches up."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def summaries(self, after: UUID | None) -> AsyncIterator[BatchSummary]:
        """Every batch after one, or every batch, in the order of ids, all seen at one moment.

        Rows of a batch that is not written down are a batch too: they are what an audit looks for.
        Raises the database's errors.
        """
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            await connection.execute(text("SET TRANSACTION READ ONLY"))
            await connection.execute(text("SET LOCAL statement_timeout = '10min'"))
            low: UUID | None = after or _FIRST
            while low is not None:
                found, low = await _next(connection, low)
                for summary in found:
                    yield summary


async def _next(connection: AsyncConnection, low: UUID) -> tuple[list[BatchSummary], UUID | None]:
    """The next few batches, and after which one to go on; None after the last."""
    page = (await connection.execute(_BATCHES, {"low": low, "limit": _BATCHES_AT_ONCE})).all()
    taken, gifts = 0, 0
    for row in page:
        gifts += row.gifts
        if taken and gifts > _GIFTS_AT_ONCE:
            break
        taken += 1
    is_last = taken == len(page) < _BATCHES_AT_ONCE
    bounds = {"low": low, "high": _LAST if is_last else page[taken - 1].id}
    batches = {row.id: BatchSummary(row.id, row.posted) for row in page[:taken]}
    for row in await connection.execute(_DIGESTS, bounds):
        summary = batches.setdefault(row.batch_id, BatchSummary(row.batch_id))
        summary.gifts, summary.digest = row.gifts, row.digest
    for query in (_GIFT_LINES, _MOVE_LINES):
        for row in await connection.execute(query, bounds):
            summary = batches.setdefault(row.batch_id, BatchSummary(row.batch_id))
            summary.lines.append(
                Line(
                    LineKind(row.kind),
                    row.partner,
                    row.campaign,
                    row.project,
                    Purpose(row.purpose),
                    row.charity,
                    row.currency,
                    row.hour,
                    int(row.micros),
                    int(row.gift_count),
                )
            )
    ordered = [batches[batch_id] for batch_id in sorted(batches)]
    return ordered, None if is_last else bounds["high"]
