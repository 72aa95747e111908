"""What a transaction leaves besides its rows: the batch, its outbox row, streams' offsets."""

import json
from collections.abc import Mapping
from uuid import UUID

from services.donations.gifts.batch import DIGEST_VERSION, Batch
from services.donations.store import outbox_lines
from services.donations.store.driver import Driver
from services.donations.store.fragments import transposed

INSERT = """
    INSERT INTO batches (id, recorded_time, gifts, digest, digest_version)
    SELECT %s::uuid, %s::timestamptz, %s::integer, %s::bytea, %s::smallint"""
"""Begins with what `values_of` gives, and inserts the batch."""

INSERT_OUTBOX = """
    INSERT INTO outbox (batch_id, value_time, lines, watermarks, retry_time)
    SELECT id, %s, %s::jsonb, %s::jsonb, recorded_time FROM batch"""
"""Goes on with it, and needs that INSERT as `batch`."""

# Both rows in one round trip.
_WRITE = f"WITH batch AS ({INSERT} RETURNING id, recorded_time) {INSERT_OUTBOX}".encode()

_EXISTS = "SELECT 1 FROM batches WHERE id = %s"

_ADVANCE = """
    INSERT INTO streams (partner_id, stream_id, next_offset)
    SELECT * FROM unnest(%s::smallint[], %s::text[], %s::bigint[])
    ON CONFLICT (partner_id, stream_id)
    DO UPDATE SET next_offset = greatest(streams.next_offset, excluded.next_offset)"""


async def write(driver: Driver, batch: Batch) -> None:
    """Writes the batch and what the relay will post of it."""
    await driver.execute(_WRITE, values_of(batch))


def values_of(batch: Batch) -> list[object]:
    """What the two INSERTs need."""
    watermarks = {partner: time.isoformat() for partner, time in batch.watermarks.items()}
    return [
        batch.id,
        batch.recorded_time,
        batch.gifts,
        batch.digest,
        DIGEST_VERSION,
        batch.value_time,
        outbox_lines.text_of(batch.lines),
        json.dumps(watermarks) if watermarks else "{}",
    ]


async def exists(driver: Driver, batch_id: UUID) -> bool:
    """Whether the batch's transaction was committed."""
    return await (await driver.execute(_EXISTS, [batch_id])).fetchone() is not None


async def advance(driver: Driver, offsets: Mapping[tuple[int, str], int]) -> None:
    """Moves streams, by partner id and stream id, forward to these offsets; never back."""
    if not offsets:
        return
    rows = sorted((*key, offset) for key, offset in offsets.items())
    await driver.execute(_ADVANCE, transposed(rows, 3))
