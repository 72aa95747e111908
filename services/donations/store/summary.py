"""Batches added up again from their gifts and moves, for the audit: what was stored of a batch as a
whole is not believed, and the arithmetic is SQL's, not that of `lines.py` and `booking.py`. That
the moves are those that they should be is another check (`rederiving.py`).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donations.domain import Line, LineKind, Purpose
from services.donations.gifts.batch import DIGEST_VERSION, BatchSummary, Seal, digest_of
from services.donations.store import outbox_lines
from services.donations.store.moment import one_moment
from services.donations.store.outbox import parsed, zones_of_campaigns

_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)

# What one round of queries reads: batches, and gifts in them, unless one batch alone has more.
_BATCHES_AT_ONCE = 500
_GIFTS_AT_ONCE = 200_000


_BATCHES = text(
    """
    SELECT id, recorded_time, gifts, digest, digest_version, posted_sequence FROM batches
    WHERE id > :low ORDER BY id LIMIT :limit"""
)

# gift_format.py says the same with numpy.
_DIGESTS = text(
    """
    SELECT d.batch_id, count(*) AS gifts, sha256(string_agg(
        CASE WHEN b.digest_version = 1 THEN ''::bytea ELSE int2send(CAST(10 AS smallint)) END
        || int4send(2) || int2send(bucket) || int4send(2) || int2send(partner_id)
        || int4send(octet_length(external_id)) || textsend(external_id)
        || int4send(8) || int8send(amount_micros)
        || int4send(3) || bpcharsend(currency)
        || int4send(4) || int4send(project_id) || int4send(4) || int4send(campaign_id)
        || int4send(8) || timestamptz_send(event_time)
        || CASE WHEN b.digest_version = 1 THEN ''::bytea
           ELSE int4send(octet_length(donor_token)) || donor_token
                || int4send(16) || uuid_send(d.batch_id) END,
        ''::bytea ORDER BY bucket, partner_id, external_id)) AS digest
    FROM donations d LEFT JOIN batches b ON b.id = d.batch_id
    WHERE d.batch_id > :low AND d.batch_id <= :high GROUP BY d.batch_id"""
)

# Those that a batch's own transaction made, and those that it carries.
_SEALS = text(
    """
    SELECT id AS batch_id, id, number, rows, digest FROM seals WHERE id > :low AND id <= :high
    UNION ALL
    SELECT c.batch_id, s.id, s.number, s.rows, s.digest
    FROM carried_seals c JOIN seals s ON s.id = c.seal_id
    WHERE c.batch_id > :low AND c.batch_id <= :high
    ORDER BY 1, 2, 3"""
)

# No hour where somebody put a time beyond all calendars.
_HOUR = """CAST(floor(extract(epoch FROM
               CASE WHEN isfinite(d.event_time) THEN d.event_time END) / 3600) AS bigint)"""

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

# A move is attributed as its gift was, by report or by the decision about it that held then: but in
# suspense to no project, and at a charity's bank to the charity as well.
_MOVE_LINES = text(
    f"""
    SELECT m.batch_id, m.kind, a.code AS partner,
           CASE WHEN m.kind IN (4, 6, 14, 21, 23) OR w.project_id IS NULL
                THEN coalesce(u.campaign, c.code, '') ELSE coalesce(e.code, '') END AS campaign,
           CASE WHEN m.kind IN (4, 6, 14, 21, 23) THEN '' ELSE p.code END AS project,
           CASE WHEN m.kind IN (4, 6, 14, 21, 23) THEN 3 ELSE p.purpose END AS purpose,
           CASE WHEN m.kind IN (8, 9, 16, 17) AND p.purpose = 1 THEN h.code ELSE '' END AS charity,
           d.currency, {_HOUR} AS hour, sum(m.amount_micros) AS micros,
           sum(m.gift_count) AS gift_count
    FROM moves m
    JOIN donations d USING (bucket, partner_id, external_id)
    JOIN partners a ON a.id = m.partner_id
    LEFT JOIN suspended u ON d.project_id = 0
      AND (u.bucket, u.partner_id, u.external_id) = (m.bucket, m.partner_id, m.external_id)
    LEFT JOIN allocated w ON d.project_id = 0
      AND (w.bucket, w.partner_id, w.external_id) = (m.bucket, m.partner_id, m.external_id)
    LEFT JOIN LATERAL (
        SELECT project_id, campaign_id FROM reallocated n
        WHERE w.bucket IS NOT NULL
          AND (n.bucket, n.partner_id, n.external_id) = (m.bucket, m.partner_id, m.external_id)
          AND n.first_move <= m.number
        ORDER BY n.first_move DESC LIMIT 1
    ) r ON true
    LEFT JOIN projects p ON p.id = coalesce(r.project_id, w.project_id, d.project_id)
    LEFT JOIN charities h ON h.id = p.charity_id
    LEFT JOIN campaigns c ON c.id = d.campaign_id
    LEFT JOIN campaigns e ON e.id = coalesce(r.campaign_id, w.campaign_id)
    WHERE m.batch_id > :low AND m.batch_id <= :high
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"""  # noqa: S608  made of constants
)


_WAITING = text("SELECT batch_id, lines FROM outbox WHERE batch_id > :low AND batch_id <= :high")


class BatchReader:
    """Adds batches up."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def summaries(self, after: UUID | None) -> AsyncIterator[BatchSummary]:
        """Every batch after one, or every batch, in the order of ids, all seen at one moment.

        Rows of a batch that is not written down are a batch too: they are what an audit looks for.
        Raises the database's errors.
        """
        async with one_moment(self._engine) as connection:
            zones = await zones_of_campaigns(connection)
            low: UUID | None = after or _FIRST
            while low is not None:
                found, low = await _next(connection, low)
                for summary in found:
                    summary.zones = zones
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
    batches = {row.id: BatchSummary(row.id, row.posted_sequence or 0) for row in page[:taken]}

    def summary_of(batch_id: UUID) -> BatchSummary:
        return batches.setdefault(batch_id, BatchSummary(batch_id))

    for row in await connection.execute(_DIGESTS, bounds):
        summary = summary_of(row.batch_id)
        summary.gifts, summary.digest = row.gifts, row.digest
    for query in (_GIFT_LINES, _MOVE_LINES):
        for row in await connection.execute(query, bounds):
            _add_line(summary_of(row.batch_id), row)
    seals: dict[UUID, list[Seal]] = {}
    for batch_id, *seal in await connection.execute(_SEALS, bounds):
        seals.setdefault(batch_id, []).append(Seal(*seal))
    for row in page[:taken]:
        _compare(batches[row.id], row, seals.get(row.id, ()))
    for row in await connection.execute(_WAITING, bounds):
        _compare_waiting(summary_of(row.batch_id), row.lines)
    ordered = [batches[batch_id] for batch_id in sorted(batches)]
    return ordered, None if is_last else bounds["high"]


def _add_line(summary: BatchSummary, row: Row[Any]) -> None:
    try:
        kind, purpose = LineKind(row.kind), Purpose(row.purpose)
    except ValueError as error:
        summary.differences.append(f"it has rows that cannot be read: {error}")
        return
    if row.hour is None:
        summary.differences.append("it has rows of no time")
        return
    summary.lines.append(
        Line(
            kind,
            row.partner,
            row.campaign,
            row.project or "",
            purpose,
            row.charity or "",
            row.currency,
            row.hour,
            int(row.micros),
            int(row.gift_count),
        )
    )


def _compare(summary: BatchSummary, kept: Row[Any], seals: Sequence[Seal]) -> None:
    """Makes the batch's digest, and holds it and the number against what is kept."""
    if kept.digest_version == DIGEST_VERSION:
        summary.digest = digest_of(summary.digest, kept.recorded_time, summary.gifts, seals)
    elif kept.digest_version != 1:
        summary.differences.append(f"its digest is of no version: {kept.digest_version}")
    if (kept.gifts, kept.digest) != (summary.gifts, summary.digest):
        summary.differences.append(
            f"it is kept as {kept.gifts} gifts with digest {kept.digest.hex()}, and its rows are "
            f"{summary.gifts} with digest {summary.digest.hex()}"
        )


def _compare_waiting(summary: BatchSummary, lines: Any) -> None:
    try:
        waiting = sorted(outbox_lines.lines_of(parsed(lines)))
    except (TypeError, ValueError):
        summary.differences.append("what waits to be posted of it cannot be read")
        return
    if waiting != sorted(summary.lines):
        summary.differences.append("what waits to be posted of it is not what its rows add up to")
