"""GetBalance with 64 calls in flight, beside an echo of the same message."""

from bench.ledger.calls import Balances
from bench.ledger.echoed import WARM_UP, beside_echo
from bench.ledger.entries import PARTNERS
from bench.ledger.posting import Posting
from bench.result import Result
from bench.row import Plan, Row
from bench.site import open_site

_CODES = tuple(f"partner/{partner}/claimed" for partner in PARTNERS)


async def run(plan: Plan) -> Result:
    """See Row."""
    async with open_site() as site:
        await Posting(site, plan).post()
        return await beside_echo(
            ROW.name,
            site,
            plan,
            site.access("ledger", "operator"),
            lambda: Balances(_CODES, plan.calls + WARM_UP),
        )


ROW = Row("balance", 0.6, run)
