"""WeChat Pay's notices over HTTP, verified and durable at the answer, beside a constant."""

import time
from datetime import UTC, datetime, timedelta

from bench.constant import ConstantServer
from bench.lots import Lot
from bench.posting import PostJob, warmed
from bench.processes import crew, serving
from bench.result import Result, alternate, make_result
from bench.row import Plan, Row
from bench.site import Site, open_site

# A platform's whole fleet sends, and each of its hosts keeps a connection.
_CONNECTIONS = 256
# The constant is so much quicker that it needs more notices to be measured for as long.
_REFERENCE_ROUNDS = 10


async def run(plan: Plan) -> Result:
    """See Row."""
    async with open_site() as site, serving(ConstantServer()) as port:
        gateway = int(site.mesh.state.http_url.rpartition(":")[2])
        ours, reference = await alternate(
            plan.repetitions,
            ours=lambda number: _posts(site, plan, gateway, number),
            reference=lambda number: _posts(site, plan, port, number, _REFERENCE_ROUNDS),
        )
    config = {
        "connections": _CONNECTIONS,
        "platform": "tencent",
        "rsa_bits": 2048,
        "reference_n": plan.calls * _REFERENCE_ROUNDS,
    }
    return make_result(ROW.name, ours, reference, unit="notices/s", n=plan.calls, config=config)


async def _posts(site: Site, plan: Plan, port: int, number: int, rounds: int = 1) -> float:
    lot = Lot(
        "tencent",
        seed=number,
        gifts=warmed(plan.calls),
        start=datetime.now(UTC) - timedelta(days=2),
    )
    keys = site.mesh.directory / "platforms"
    campaign = site.occasion.campaign
    job = PostJob(port, keys, lot, site.projects, campaign, _CONNECTIONS, rounds)
    async with crew([job]) as together:
        await site.checkpoint()
        started = time.monotonic()
        [done] = await together.work()
        return done / (time.monotonic() - started)


ROW = Row("callback", 0.3, run)
