"""As bulk, with 10 % repeats in every batch, beside bulk without.

Each repetition first sends new gifts, which is the reference, and then as many of which every tenth
is one of those, drawn at random. Gifts are counted as sent, repeats included.
"""

from bench.bulk import Bulk
from bench.lots import Lot
from bench.result import Result, alternate, make_result
from bench.row import Plan, Row
from bench.site import open_site


async def run(plan: Plan) -> Result:
    """See Row."""
    async with open_site() as site:
        bulk = Bulk(site, plan)
        await bulk.prepare(reference=False)
        before: list[Lot] = []

        async def without(_number: int) -> float:
            before[:] = bulk.lots()
            return await bulk.send(before)

        async def repeating(_number: int) -> float:
            return await bulk.send(bulk.lots(repeats_of=before))

        ours, reference = await alternate(plan.repetitions, repeating, without)
    config = {**bulk.config, "repeats": 0.1}
    return make_result(ROW.name, ours, reference, unit="gifts/s", n=bulk.gifts, config=config)


ROW = Row("bulk-dups", 0.7, run)
