"""post-batch with many transfers in the books, beside the same with 1 M."""

from bench.ledger.posting import Posting
from bench.result import Result, make_result
from bench.row import Plan, Row
from bench.site import open_site

_FEW = 1_000_000


async def run(plan: Plan) -> Result:
    """See Row. The two cannot take turns: first all with few, then all with many."""
    async with open_site() as site:
        posting = Posting(site, plan)
        await posting.post()  # opens the accounts
        await posting.fill(_FEW)
        few = [await posting.post() for _ in range(plan.repetitions)]
        await posting.fill(plan.growth)
        many = [await posting.post() for _ in range(plan.repetitions)]
    config = {
        **posting.config,
        "transfers_before": plan.growth,
        "reference_transfers_before": _FEW,
    }
    return make_result(ROW.name, many, few, unit="transfers/s", n=posting.transfers, config=config)


ROW = Row("post-growth", 0.8, run, long=True)
