"""bulk with many gifts in the table, beside bare COPY into a table with as many."""

import time

from bench.bulk import Bulk
from bench.result import Result, alternate, make_result
from bench.row import Plan, Row
from bench.site import open_site


async def run(plan: Plan) -> Result:
    """See Row."""
    async with open_site() as site:
        bulk = Bulk(site, plan)
        await bulk.prepare()
        started = time.monotonic()
        await bulk.fill_both(plan.growth)
        filled_s = round(time.monotonic() - started)
        lots = [bulk.lots() for _ in range(plan.repetitions)]
        ours, reference = await alternate(
            plan.repetitions,
            ours=lambda number: bulk.send(lots[number]),
            reference=lambda number: bulk.copy(lots[number]),
        )
    config = {**bulk.config, **bulk.copy_config, "gifts_before": plan.growth, "filled_s": filled_s}
    return make_result(ROW.name, ours, reference, unit="gifts/s", n=bulk.gifts, config=config)


ROW = Row("bulk-growth-random", 0.6, run, long=True)
