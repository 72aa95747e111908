"""post-batch with gifts alone: all of them on two accounts, beside the same over 1,000."""

from bench.ledger.entries import COLD
from bench.ledger.posting import Posting
from bench.result import Result, alternate, make_result
from bench.row import Plan, Row
from bench.site import open_site


async def run(plan: Plan) -> Result:
    """See Row."""
    async with open_site() as site:
        posting = Posting(site, plan)
        await posting.post(partners=1, projects=COLD, gifts_only=True)  # opens the accounts
        ours, reference = await alternate(
            plan.repetitions,
            ours=lambda _: posting.post(partners=1, projects=1, gifts_only=True),
            reference=lambda _: posting.post(partners=1, projects=COLD, gifts_only=True),
        )
    config = {**posting.config, "accounts": 2, "reference_accounts": 1 + COLD}
    return make_result(
        ROW.name, ours, reference, unit="transfers/s", n=posting.transfers, config=config
    )


ROW = Row("post-hot", 0.9, run)
