"""What all bulk rows share: two partners at once, until everything stands in the totals."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from bench.copying import ROWS, CopyJob, make_reference_table
from bench.indexes import bare, indexes_of
from bench.lots import BATCH, Lot
from bench.processes import crew
from bench.row import Plan
from bench.site import Site
from bench.streaming import StreamJob

PARTNERS = ("weibo", "bytedance")
_TABLE = "donations"
_REFERENCE = "bench_reference"
_FILLED_AT_ONCE = 4_000_000
_WARM_UP = 2 * BATCH


class Bulk:
    """Measures on one site.

    Lots follow one another in time, and all differ; the reference gets the very same lot as ours.
    """

    def __init__(self, site: Site, plan: Plan, *, ordered: bool = False) -> None:
        self._site = site
        self._plan = plan
        self._ordered = ordered
        self._next_start = datetime.now(UTC) - timedelta(days=2)
        self._next_seed = 1
        self._recorded = 0

    @property
    def gifts(self) -> int:
        """Gifts of one measurement."""
        return self._plan.gifts(BATCH)

    @property
    def config(self) -> dict[str, Any]:
        """What the figures depend on."""
        return {
            "partners": len(PARTNERS),
            "batch": BATCH,
            "ids": "time-ordered" if self._ordered else "random",
            "id_characters": 28,
            "projects": len(self._site.projects),
            "donor_references": self._plan.donors,
            "checkpoint": "before each measurement",
        }

    @property
    def copy_config(self) -> dict[str, Any]:
        """What the figures of the bare COPY depend on besides."""
        return {"copy_rows": ROWS, "copy_sorted": True, "copy_writers": len(PARTNERS)}

    async def prepare(self, *, reference: bool = True) -> None:
        """Sends a little, so that connections and plans are there, and makes the other table."""
        if reference:
            await asyncio.to_thread(make_reference_table, self._site.owner_url, _REFERENCE)
        await self.send(self.lots(gifts=_WARM_UP))

    def lots(self, *, gifts: int = 0, repeats_of: Sequence[Lot] = ()) -> list[Lot]:
        """The next lots, one a partner; as many gifts together as the plan says, or as given."""
        each = (gifts or self.gifts) // len(PARTNERS)
        lots = [
            Lot(
                partner,
                seed=self._next_seed + number,
                gifts=each,
                start=self._next_start,
                ordered=self._ordered,
                donors=self._plan.donors,
                repeats_of=repeats_of[number] if repeats_of else None,
            )
            for number, partner in enumerate(PARTNERS)
        ]
        self._next_seed += len(PARTNERS)
        self._next_start = lots[0].end
        return lots

    async def send(
        self, lots: Sequence[Lot], watch: Callable[[], None] = lambda: None, watch_s: float = 0.05
    ) -> float:
        """Ours: gifts/s until all are durable, in the ledger and in the gateway's totals.

        Repeats count as gifts sent. watch: called every watch_s meanwhile.
        """
        site = self._site
        jobs = [
            StreamJob(
                site.access("donations", "partner", lot.partner),
                lot,
                site.projects,
                site.occasion.campaign,
            )
            for lot in lots
        ]
        async with crew(jobs) as together:
            await site.checkpoint()
            watching = asyncio.create_task(_watch(watch, watch_s))
            try:
                started = time.monotonic()
                self._recorded += sum(await together.work())
                await site.wait_visible(self._recorded)
                elapsed = time.monotonic() - started
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        return sum(lot.gifts for lot in lots) / elapsed

    async def copy(self, lots: Sequence[Lot], table: str = _REFERENCE) -> float:
        """The reference: rows/s of bare COPY by one writer a lot."""
        jobs = [
            CopyJob(self._site.owner_url, table, lot, number + 1, len(self._site.projects))
            for number, lot in enumerate(lots)
        ]
        async with crew(jobs) as together:
            await self._site.checkpoint()
            started = time.monotonic()
            rows = sum(await together.work())
            return rows / (time.monotonic() - started)

    async def fill(self, gifts: int) -> None:
        """Puts gifts into the table, by bare COPY and unmeasured.

        The ledger does not hear of them: only the table's size matters here.
        """
        part = 1_000_000
        for first in range(0, gifts, part):
            await self.copy(self.lots(gifts=min(part, gifts - first)), _TABLE)

    async def fill_both(self, gifts: int) -> None:
        """Puts the same gifts into the table and into the reference's, in their order of arrival;
        the keys are made when all are there, as full as random ids leave them.
        """
        url = self._site.owner_url
        with bare(url, (_TABLE, _REFERENCE), _fillfactors(url)):
            for first in range(0, gifts, _FILLED_AT_ONCE):
                await self.copy(self.lots(gifts=min(_FILLED_AT_ONCE, gifts - first)), _TABLE)
            await asyncio.to_thread(_copy_over, url)
        await self._site.checkpoint()


def _fillfactors(url: str) -> dict[str, int]:
    """How full pages are to which keys came in no order: ln 2, as halves of full ones fill up."""
    return {
        index.name: 69
        for table in (_TABLE, _REFERENCE)
        for index in indexes_of(url, table)
        if index.is_key
    }


def _copy_over(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            sql.SQL("INSERT INTO {} SELECT * FROM {}").format(
                sql.Identifier(_REFERENCE), sql.Identifier(_TABLE)
            )
        )


async def _watch(watch: Callable[[], None], every_s: float) -> None:
    while True:
        watch()
        await asyncio.sleep(every_s)
