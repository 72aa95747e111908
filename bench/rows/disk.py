"""Bytes a gift in the donations database: tables, indexes and all, with random ids."""

import asyncio

import psycopg

from bench.bulk import Bulk
from bench.result import Result, make_result
from bench.row import Plan, Row
from bench.site import open_site

_LIMIT_BYTES = 260.0


async def run(plan: Plan) -> Result:
    """See Row. Each repetition adds gifts; the figure is what they added, over their number."""
    async with open_site() as site:
        bulk = Bulk(site, plan)
        await bulk.prepare(reference=False)
        sizes = []
        for _ in range(plan.repetitions):
            before = await asyncio.to_thread(_size, site.owner_url)
            await bulk.send(bulk.lots())
            sizes.append((await asyncio.to_thread(_size, site.owner_url) - before) / bulk.gifts)
    limits = [_LIMIT_BYTES] * plan.repetitions
    return make_result(ROW.name, sizes, limits, unit="bytes", n=bulk.gifts, config=bulk.config)


def _size(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


ROW = Row("disk", 1.0, run, at_most=True)
