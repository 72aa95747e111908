"""Decisions on when projects close: each is kept, with who decided it. The last is in force."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from services.donations.catalog.closures import Closure, Decider
from services.donations.models.base import metadata
from services.donations.models.catalog import projects
from services.donations.store.sealing import sealed_insert

_closures = metadata.tables["project_closures"]
_decisions = metadata.tables["closure_decisions"]

_OF_PROJECT = (
    select(
        _closures.c.close_time,
        _closures.c.create_time,
        _decisions.c.caller,
        _decisions.c.request_id,
    )
    .join(projects, projects.c.id == _closures.c.project_id)
    .outerjoin(_decisions, _decisions.c.closure_id == _closures.c.id)
    .order_by(_closures.c.id)
)


async def note(
    connection: AsyncConnection,
    project_id: int,
    close_time: datetime,
    decider: Decider,
    now: datetime,
) -> None:
    """Keeps what was decided, as the project keeps only the last of it, and nobody."""
    seal_id = uuid7()
    closure = {
        "project_id": project_id,
        "close_time": close_time,
        "create_time": now,
        "seal_id": seal_id,
    }
    made = await connection.execute(sealed_insert(insert(_closures).values(**closure), "id"))
    decision = {"closure_id": made.scalar_one(), **decider._asdict(), "seal_id": seal_id}
    await connection.execute(sealed_insert(insert(_decisions).values(**decision), "closure_id"))


class ClosureReader:
    """Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of_project(self, code: str) -> list[Closure]:
        """All decisions on when a project closes, in their order."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_OF_PROJECT.where(projects.c.code == code))
            return [
                Closure(
                    row.close_time,
                    row.create_time,
                    None if row.caller is None else Decider(row.caller, row.request_id),
                )
                for row in rows
            ]
