"""What the relay has to post."""

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from services.donations.domain import HOME_ZONE, Line
from services.donations.gifts.batch import EMPTY_DIGEST, Batch, digest_of
from services.donations.store import batches, outbox_lines, watermarks
from services.donations.store.driver import driver_of
from services.runtime import database

_DUE = text(
    """
    SELECT o.batch_id, o.value_time, o.lines, o.watermarks, b.recorded_time, b.gifts, b.digest
    FROM outbox o JOIN batches b ON b.id = o.batch_id
    WHERE o.retry_time <= :now ORDER BY o.batch_id LIMIT :limit"""
)

_ACKNOWLEDGE = text(
    """
    WITH posted AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:sequences AS bigint[]))
          AS p(id, sequence)
    ), gone AS (
        DELETE FROM outbox USING posted WHERE batch_id = posted.id RETURNING watermarks
    ), known AS (
        INSERT INTO watermarks (partner, complete_until)
        SELECT key, max(CAST(value AS timestamptz)) FROM gone, jsonb_each_text(gone.watermarks)
        GROUP BY key ORDER BY key
        ON CONFLICT (partner) DO UPDATE SET complete_until = excluded.complete_until
        WHERE watermarks.complete_until < excluded.complete_until
    )
    UPDATE batches SET posted_sequence = posted.sequence FROM posted WHERE batches.id = posted.id"""
)

# The ledger takes at most 32 facts an entry, and a batch has two of its own.
_WATERMARKS_MAX = 30

_POSTPONE = text(
    """
    UPDATE outbox SET problem = :problem, retry_time = :retry_time WHERE batch_id = :batch_id"""
)

# Ids ascend with the time of recording, so that one look finds the oldest.
_BACKLOG = text(
    """
    SELECT (SELECT count(*) FROM outbox), (
        SELECT b.recorded_time FROM outbox o JOIN batches b ON b.id = o.batch_id
        ORDER BY o.batch_id LIMIT 1)"""
)

_ZONES = text("SELECT code, nullif(time_zone, :home) AS time_zone FROM campaigns")


async def zones_of_campaigns(connection: AsyncConnection) -> dict[str, str]:
    """The time zones of campaigns by code; empty for that of the ledger's own calendar."""
    rows = await connection.execute(_ZONES, {"home": HOME_ZONE})
    return {row.code: row.time_zone or "" for row in rows}


class Outbox:
    """The relay's side of the outbox. Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def due(self, now: datetime, limit: int) -> list[Batch]:
        """The oldest batches that are to be tried now, in the order of their ids.

        One of which the lines or watermarks cannot be read has neither.
        """
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_DUE, {"now": now, "limit": limit})).all()
        return [
            Batch(
                row.batch_id,
                row.recorded_time,
                row.gifts,
                row.digest,
                row.value_time,
                *_content(row),
            )
            for row in rows
        ]

    async def zones(self) -> dict[str, str]:
        """Of all campaigns by code: see zones_of_campaigns."""
        async with self._engine.connect() as connection:
            return await zones_of_campaigns(connection)

    async def acknowledge(self, sequences: Mapping[UUID, int]) -> None:
        """The ledger has these batches, under these entries' sequences."""
        if not sequences:
            return
        parameters = {"ids": list(sequences), "sequences": list(sequences.values())}
        async with database.transaction(self._engine) as connection:
            await connection.execute(_ACKNOWLEDGE, parameters)

    async def tell_watermarks(self, now: datetime) -> bool:
        """Makes batches, to be posted, of the watermarks that may be told; whether there were any.

        None of them is told before all that was recorded of its partner by then is acknowledged.
        """
        async with database.transaction(self._engine) as connection:
            driver = await driver_of(connection)
            news = iter((await watermarks.take(driver)).items())
            told = False
            while some := dict(islice(news, _WATERMARKS_MAX)):
                digest = digest_of(EMPTY_DIGEST, now, 0, ())
                await batches.write(driver, Batch(uuid7(), now, 0, digest, now, [], some))
                told = True
        return told

    async def postpone(self, problems: Mapping[UUID, str], retry_time: datetime) -> None:
        """The ledger refused these batches, each for a reason; they stay, for a later try."""
        if not problems:
            return
        rows = [
            {"batch_id": batch_id, "problem": problem, "retry_time": retry_time}
            for batch_id, problem in problems.items()
        ]
        async with database.transaction(self._engine) as connection:
            await connection.execute(_POSTPONE, rows)

    async def backlog(self) -> tuple[int, datetime | None]:
        """How many batches there are, and since when the oldest waits."""
        async with self._engine.connect() as connection:
            count, oldest = (await connection.execute(_BACKLOG)).one()
        return count, oldest


def _content(row: Row[Any]) -> tuple[list[Line], dict[str, datetime]]:
    try:
        return outbox_lines.lines_of(parsed(row.lines)), {
            partner: datetime.fromisoformat(time)
            for partner, time in parsed(row.watermarks).items()
        }
    except (AttributeError, TypeError, ValueError):
        return [], {}  # no batch is like this, and whoever posts it says so


def parsed(value: Any) -> Any:
    """JSON, whether or not the driver has read it already."""
    return json.loads(value) if isinstance(value, str) else value
