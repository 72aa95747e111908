"""bulk-ordered with many gifts in the table, beside the same with 1 M."""

from bench.bulk import Bulk
from bench.result import Result, make_result
from bench.row import Plan, Row
from bench.site import open_site

_FEW = 1_000_000


async def run(plan: Plan) -> Result:
    """See Row. The two cannot take turns: first all with few, then all with many."""
    async with open_site() as site:
        bulk = Bulk(site, plan, ordered=True)
        await bulk.prepare(reference=False)
        await bulk.fill(_FEW)
        few = [await bulk.send(bulk.lots()) for _ in range(plan.repetitions)]
        await bulk.fill(plan.growth - _FEW)
        many = [await bulk.send(bulk.lots()) for _ in range(plan.repetitions)]
    config = {**bulk.config, "gifts_before": plan.growth, "reference_gifts_before": _FEW}
    return make_result(ROW.name, many, few, unit="gifts/s", n=bulk.gifts, config=config)


ROW = Row("bulk-growth", 0.8, run, long=True)
