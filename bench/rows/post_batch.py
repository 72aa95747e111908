"""PostEntries, 1,000 entries of two transfers a call, beside bare COPY of the transfers."""

from bench.ledger.posting import Posting
from bench.result import Result, alternate, make_result
from bench.row import Plan, Row
from bench.site import open_site


async def run(plan: Plan) -> Result:
    """See Row."""
    async with open_site() as site:
        posting = Posting(site, plan)
        await posting.prepare()
        ours, reference = await alternate(
            plan.repetitions,
            ours=lambda _: posting.post(),
            reference=lambda _: posting.copy(),
        )
    config = {**posting.config, "hot_accounts": 6 + 3, "cold_accounts": 1_000}
    return make_result(
        ROW.name, ours, reference, unit="transfers/s", n=posting.transfers, config=config
    )


ROW = Row("post-batch", 0.3, run)
