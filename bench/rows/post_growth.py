"""post-batch with many transfers in the books, beside the same with 1 M."""

import asyncio
import time

from bench.ledger.filling import fill_books, settle
from bench.ledger.posting import Posting
from bench.result import Result, make_result
from bench.row import Plan, Row
from bench.site import Ground, open_ground

_FEW = 1_000_000


async def run(plan: Plan) -> Result:
    """See Row. The two cannot take turns: first all with few, then all with many."""
    started = time.monotonic()
    async with open_ground() as ground:
        async with ground.open_site() as site:
            posting = Posting(site, plan)
            await posting.post()  # opens the accounts
        few, _ = await _measure(ground, plan, _FEW)
        many, filled_s = await _measure(ground, plan, plan.growth)
    config = {
        **posting.config,
        "transfers_before": plan.growth,
        "reference_transfers_before": _FEW,
        "filled_s": round(filled_s),
        "row_s": round(time.monotonic() - started),
    }
    return make_result(ROW.name, many, few, unit="transfers/s", n=posting.transfers, config=config)


async def _measure(ground: Ground, plan: Plan, transfers: int) -> tuple[list[float], float]:
    """Transfers/s with so many in the books, and how long it took until they were there."""
    started = time.monotonic()
    await asyncio.to_thread(fill_books, ground.ledger_owner_url, transfers)
    async with ground.open_site() as site:
        await settle(ground.ledger_owner_url, entries_behind=2 * 10_000)
        filled_s = time.monotonic() - started
        posting = Posting(site, plan)
        return [await posting.post() for _ in range(plan.repetitions)], filled_s


ROW = Row("post-growth", 0.8, run, long=True)
