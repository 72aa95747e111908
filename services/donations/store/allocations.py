"""Allocations: requests, their steps, and decisions about gifts. Nothing is changed."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
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
    RecordedAllocation,
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
    FROM (SELECT id, code FROM projects UNION ALL SELECT 0, '') p WHERE code = :project
    ON CONFLICT DO NOTHING""",
        loose=True,
    )
)

_BEGUN = text(
    """
    SELECT coalesce(p.code, '') AS project, a.content
    FROM allocations a LEFT JOIN projects p ON p.id = a.project_id
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

_REALLOCATE = sealing(
    "reallocated",
    """
    INSERT INTO reallocated (bucket, partner_id, external_id, number, project_id, campaign_id,
                             first_move, request_id, allocate_time, seal_id)
    SELECT k.bucket, k.partner_id, k.external_id, k.number, coalesce(p.id, 0), coalesce(c.id, 0),
           k.first_move, %s::uuid, %s, %s::uuid
    FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::integer[],
                %s::integer[])
      AS k(bucket, partner_id, external_id, project, campaign, number, first_move)
    LEFT JOIN projects p ON p.code = k.project
    LEFT JOIN campaigns c ON c.code = k.campaign
    WHERE k.project = '' OR p.id IS NOT NULL""",
).encode()

_DECISIONS = """
    SELECT coalesce(p.code, ''), coalesce(c.code, ''), a.caller, d.request_id, d.allocate_time
    FROM (
        SELECT 1 AS number, project_id, campaign_id, request_id, allocate_time FROM allocated
        WHERE (bucket, partner_id, external_id) = (%(bucket)s, %(partner_id)s, %(external_id)s)
        UNION ALL
        SELECT number, project_id, campaign_id, request_id, allocate_time FROM reallocated
        WHERE (bucket, partner_id, external_id) = (%(bucket)s, %(partner_id)s, %(external_id)s)
    ) d
    LEFT JOIN projects p ON p.id = d.project_id
    LEFT JOIN campaigns c ON c.id = d.campaign_id
    JOIN allocations a ON a.request_id = d.request_id
    ORDER BY d.number"""

_ADD_STEP = sealing(
    "allocation_steps",
    """
    INSERT INTO allocation_steps (request_id, number, counts, sums, outcomes, end_bucket, end_id,
                                  is_last, step_time, seal_id)
    SELECT %s::uuid, %s, %s::jsonb, %s::jsonb, %s::smallint[], %s, %s, %s, %s, %s::uuid
    ON CONFLICT DO NOTHING""",
).encode()


class Decision(NamedTuple):
    """Where a gift is to count. before: how many decisions there were. first_move: that of the
    gift's moves with which it begins.
    """

    key: Key
    before: int
    attribution: Attribution
    first_move: int


async def allocate(
    driver: Driver,
    request_id: UUID,
    chosen: Sequence[Decision],
    batch_id: UUID,
    now: datetime,
) -> None:
    """Records where gifts count from now on. They are locked.

    batch_id: this transaction's own.
    """
    first, further = [], []
    for key, before, attribution, first_move in sorted(chosen):
        if before:
            further.append((*key, *attribution, before + 1, first_move))
        else:
            first.append((*key, *attribution))
    for statement, rows, width in ((_ALLOCATE, first, 5), (_REALLOCATE, further, 7)):
        if rows:
            columns = transposed(rows, width)
            added = await driver.execute(statement, [request_id, now, batch_id, *columns])
            assert added.rowcount == len(rows), "the catalog knows where they go"


async def decisions(driver: Driver, key: Key) -> list[RecordedAllocation]:
    """All decisions about a gift, in their order."""
    found = await driver.execute(_DECISIONS.encode(), key._asdict())
    return [RecordedAllocation(*row) for row in await found.fetchall()]


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
        """Writes a request down if it is new; returns how far it has come.

        Its project, if it names one, is in the catalog.

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
