"""PostEntries of one entry with two transfers a call, durable at the answer, beside an echo."""

from bench.ledger.calls import Posts, new_seed
from bench.ledger.echoed import WARM_UP, beside_echo
from bench.ledger.entries import Entries
from bench.result import Result
from bench.row import Plan, Row
from bench.site import open_site


async def run(plan: Plan) -> Result:
    """See Row."""
    async with open_site() as site:
        poster = site.access("ledger", "service", "donations")
        return await beside_echo(
            ROW.name,
            site,
            plan,
            poster,
            lambda: Posts(Entries(new_seed(), plan.calls + WARM_UP), 1),
        )


ROW = Row("post-one", 0.5, run)
