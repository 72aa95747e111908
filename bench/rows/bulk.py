"""StreamDonations by two partners with random ids, beside bare COPY by two writers."""

from bench.bulk import Bulk
from bench.result import Result, alternate, make_result
from bench.row import Plan, Row
from bench.site import open_site


async def measure(plan: Plan, name: str, *, ordered: bool) -> Result:
    """Ours and the reference with the same lots, on one server."""
    async with open_site() as site:
        bulk = Bulk(site, plan, ordered=ordered)
        await bulk.prepare()
        lots = [bulk.lots() for _ in range(plan.repetitions)]
        ours, reference = await alternate(
            plan.repetitions,
            ours=lambda number: bulk.send(lots[number]),
            reference=lambda number: bulk.copy(lots[number]),
        )
    config = {**bulk.config, **bulk.copy_config}
    return make_result(name, ours, reference, unit="gifts/s", n=bulk.gifts, config=config)


async def run(plan: Plan) -> Result:
    """See Row."""
    return await measure(plan, ROW.name, ordered=False)


ROW = Row("bulk", 0.6, run)
