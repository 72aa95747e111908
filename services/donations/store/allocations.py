"""Allocations: requests, their steps, and where gifts in suspense have gone. Nothing is changed."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from services.donations.allocation.allocation import (
    Allocation,
    AllocationOutcome,
    AllocationStep,
    Place,
    Progress,
    conflict,
)
from services.donations.domain import Attribution, Key
from services.donations.store.driver import Driver
from services.donations.store.fragments import transposed
from services.donations.store.outbox import parsed
from services.donations.store.sealing import sealing
from services.runtime import database

_BEGIN = text(
    sealing(
        "allocations",
        """
    INSERT INTO allocations (request_id, caller, project_id, content, create_time, seal_id)
    SELECT :request_id, :caller, id, CAST(:content AS jsonb), :now, :seal_id
    FROM projects WHERE code = :project
    ON CONFLICT DO NOTHING""",
        loose=True,
    )
)

_BEGUN = text(
    """
    SELECT p.code AS project, a.content FROM allocations a JOIN projects p ON p.id = a.project_id
    WHERE a.request_id = :request_id"""
)

_STEPS = text(
    """
    SELECT counts, sums, outcomes, end_bucket, end_id, is_last FROM allocation_steps
    WHERE request_id = :request_id ORDER BY number"""
)

_ALLOCATE = sealing(
    "allocated",
    """
    INSERT INTO allocated (bucket, partner_id, external_id, project_id, campaign_id, request_id,
                           allocate_time, seal_id)
    SELECT k.bucket, k.partner_id, k.external_id, p.id, coalesce(c.id, 0), %s::uuid, %s, %s::uuid
    FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::text[], %s::text[])
      AS k(bucket, partner_id, external_id, project, campaign)
    JOIN projects p ON p.code = k.project
    LEFT JOIN campaigns c ON c.code = k.campaign""",
).encode()

_ADD_STEP = sealing(
    "allocation_steps",
    """
    INSERT INTO allocation_steps (request_id, number, counts, sums, outcomes, end_bucket, end_id,
                                  is_last, step_time, seal_id)
    SELECT %s::uuid, %s, %s::jsonb, %s::jsonb, %s::smallint[], %s, %s, %s, %s, %s::uuid
    ON CONFLICT DO NOTHING""",
).encode()


async def allocate(
    driver: Driver,
    request_id: UUID,
    chosen: Mapping[Key, Attribution],
    batch_id: UUID,
    now: datetime,
) -> None:
    """Records where gifts count from now on. They are locked, and were not allocated before.

    batch_id: this transaction's own.
    """
    if not chosen:
        return
    rows = [(*key, *attribution) for key, attribution in sorted(chosen.items())]
    added = await driver.execute(_ALLOCATE, [request_id, now, batch_id, *transposed(rows, 5)])
    assert added.rowcount == len(rows), "the catalog knows where they go"


async def add_step(
    driver: Driver, step: AllocationStep, progress: Progress, batch_id: UUID, now: datetime
) -> bool:
    """Keeps what became of a step; False if the request has that step already.

    batch_id: this transaction's own, whether or not it comes to a batch.
    """
    values = [
        step.request_id,
        step.number,
        json.dumps({str(int(outcome)): number for outcome, number in progress.counts.items()}),
        json.dumps(dict(progress.sums)),
        [int(outcome) for outcome in progress.outcomes],
        step.end.bucket,
        step.end.external_id,
        step.is_last,
        now,
        batch_id,
    ]
    return (await driver.execute(_ADD_STEP, values)).rowcount == 1


class AllocationStore:
    """Every method raises the database's errors besides those it names."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(
        self, request_id: UUID, allocation: Allocation, caller: str, now: datetime
    ) -> Progress:
        """Writes a request down, whose project there is, if it is new; returns how far it has come.

        Raises Fault(ALLOCATION_CONFLICT) if it is not, and was another's.
        """
        values = {
            "request_id": request_id,
            "caller": caller,
            "project": allocation.project,
            "content": json.dumps(allocation.content),
            "now": now,
            "seal_id": uuid7(),
        }
        async with database.transaction(self._engine) as connection:
            await connection.execute(_BEGIN, values)
            found = await connection.execute(_BEGUN, {"request_id": request_id})
            begun = found.one()
            if (begun.project, parsed(begun.content)) != (allocation.project, allocation.content):
                raise conflict()
            return await _progress(connection, request_id)

    async def progress(self, request_id: UUID) -> Progress:
        """How far a request has come."""
        async with self._engine.connect() as connection:
            return await _progress(connection, request_id)


async def _progress(connection: AsyncConnection, request_id: UUID) -> Progress:
    progress = Progress()
    for row in await connection.execute(_STEPS, {"request_id": request_id}):
        progress = progress.then(_step(row))
    return progress


def _step(row: Row[Any]) -> Progress:
    return Progress(
        1,
        {AllocationOutcome(int(outcome)): number for outcome, number in parsed(row.counts).items()},
        parsed(row.sums),
        [AllocationOutcome(outcome) for outcome in row.outcomes],
        Place(row.end_bucket, row.end_id),
        row.is_last,
    )
