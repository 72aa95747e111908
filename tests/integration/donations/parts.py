"""Intake's parts on a real database, in the test's own process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donations.catalog.closures import Decider
from services.donations.catalog.memory import Campaign, Catalog, Charity, Project
from services.donations.commit.committer import Committer, Limits
from services.donations.commit.group import gather
from services.donations.commit.lane import LaneWriter
from services.donations.commit.recording import Recorded
from services.donations.commit.submission import Submission
from services.donations.commit.sweeper import Sweeper
from services.donations.domain import Line, Outcome, Purpose, moment_of
from services.donations.gifts.batch import BatchSummary
from services.donations.store.catalog import CatalogStore
from services.donations.store.lane import Lane
from services.donations.store.outbox import Outbox
from services.donations.store.reading import GiftReader
from services.donations.store.summary import BatchReader
from services.runtime.clock import Clock
from services.runtime.database import open_engine
from tests.unit.donations.gifts import NOW_MICROS

_HOUR_MICROS = 3_600_000_000

LANES = 2


DECIDER = Decider("finance/anna", UUID(int=95))
"""Who decides on the catalog."""


@dataclass
class Parts:
    """What a test of the store needs. The committer runs; the sweeper sweeps when it is told."""

    engine: AsyncEngine
    lanes: list[Lane]
    writers: list[LaneWriter]
    catalog: Catalog
    catalog_store: CatalogStore
    committer: Committer
    sweeper: Sweeper
    reader: GiftReader
    outbox: Outbox
    batches: BatchReader
    clock: Clock

    async def query(self, statement: str, **parameters: object) -> Sequence[Any]:
        """All rows of a query."""
        async with self.engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).all()

    async def summaries(self) -> list[BatchSummary]:
        """All batches, added up again."""
        return [summary async for summary in self.batches.summaries(None)]

    async def books(self) -> dict[tuple[object, ...], tuple[int, int]]:
        """What all outbox rows sum up to: (kind, …, hour) to (micros, gifts)."""
        sums: dict[tuple[object, ...], tuple[int, int]] = {}
        for batch in await self.pending():
            for line in batch.values():
                micros, gifts = sums.get(line[:-2], (0, 0))
                sums[line[:-2]] = micros + line.micros, gifts + line.gift_count
        return sums

    async def pending(self) -> list[dict[tuple[object, ...], Line]]:
        """The lines of each outbox row."""
        due = await self.outbox.due(self.clock(), 1_000_000)
        return [{line[:-2]: line for line in batch.lines} for batch in due]

    async def require_balanced(self) -> None:
        """Every batch's rows say what its outbox row says: lines, count and digest."""
        told = {batch.id: batch for batch in await self.outbox.due(self.clock(), 1_000_000)}
        found = await self.summaries()
        assert [summary.id for summary in found] == sorted(told)
        for summary in found:
            batch = told[summary.id]
            assert sorted(summary.lines) == sorted(batch.lines)
            assert (summary.gifts, summary.digest) == (batch.gifts, batch.digest)


@asynccontextmanager
async def open_parts(url: str, clock: Clock, limits: Limits | None = None) -> AsyncIterator[Parts]:
    """As parts_on, on connections of their own."""
    async with engine_of(url) as engine, parts_on(engine, clock, limits) as parts:
        yield parts


@asynccontextmanager
async def engine_of(url: str) -> AsyncIterator[AsyncEngine]:
    """As many connections as parts need, until the block ends."""
    engine = open_engine(url, name="test", pool_size=2 * LANES + 8)
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def parts_on(
    engine: AsyncEngine, clock: Clock, limits: Limits | None = None
) -> AsyncIterator[Parts]:
    """Parts with a catalog like that of the unit tests (gifts.py)."""
    async with AsyncExitStack() as stack:
        catalog_store = CatalogStore(engine)
        catalog = Catalog(catalog_store)
        await fill(catalog_store, clock)
        await catalog.refresh()
        writer_lanes = [Lane(engine) for _ in range(LANES)]
        ids = _ids()
        writers = [LaneWriter(lane, clock, lambda: next(ids)) for lane in writer_lanes]
        for lane in writer_lanes:
            stack.push_async_callback(lane.close)
        committer = Committer([Lane(engine) for _ in range(LANES)], catalog, clock, limits)
        reader = GiftReader(engine)
        sweeper = Sweeper(committer, reader)
        running = asyncio.create_task(committer.run())
        stack.push_async_callback(_end, running)
        yield Parts(
            engine,
            writer_lanes,
            writers,
            catalog,
            catalog_store,
            committer,
            sweeper,
            reader,
            Outbox(engine),
            BatchReader(engine),
            clock,
        )


async def fill(store: CatalogStore, clock: Clock) -> None:
    """Makes the catalog: `closed` closed two hours ago, `past` ended one hour ago.

    `surgery` is a personal appeal, organised by qingsongchou.
    """
    now = clock()
    await store.create_charity(Charity("aid", "Aid"), now)
    for code in ("water", "books"):
        await store.create_project(Project(code, code.title(), "aid"), DECIDER, now)
    surgery = Project("surgery", "Surgery", purpose=Purpose.APPEAL, organiser="qingsongchou")
    await store.create_project(surgery, DECIDER, now)
    closed = Project("closed", "Closed", "aid", moment_of(NOW_MICROS - 2 * _HOUR_MICROS))
    await store.create_project(closed, DECIDER, now)
    for code, start, end in (("week", -24, 24), ("past", -3, -1)):
        campaign = Campaign(
            code,
            code.title(),
            moment_of(NOW_MICROS + start * _HOUR_MICROS),
            moment_of(NOW_MICROS + end * _HOUR_MICROS),
            "Asia/Shanghai",
        )
        await store.create_campaign(campaign, now)


def _ids() -> Any:
    number = 1 << 64
    while True:
        yield UUID(int=number)
        number += 1


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def write(parts: Parts, writer: LaneWriter, *submissions: Submission) -> Recorded:
    """Commits submissions as one group on a lane."""
    return await writer.write(await gather(submissions, parts.catalog))


def outcomes_of(recorded: Recorded) -> list[Outcome]:
    """All gifts' outcomes, in the order of the submissions."""
    return [Outcome(code) for result in recorded.results for code in result.outcomes.tolist()]
