"""RecordDonation with 128 calls in flight, durable at the answer, beside a gRPC echo."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bench.calling import CallJob, warmed
from bench.echo import EchoServer
from bench.lots import Lot
from bench.processes import crew, serving
from bench.result import Result, alternate, make_result
from bench.row import Plan, Row
from bench.site import Site, open_site
from services.cli.simulator.wire import Access

_PARTNER = "weibo"
_IN_FLIGHT = 128
# The echo is so much quicker that it needs more calls to be measured for as long.
_REFERENCE_ROUNDS = 4


async def run(plan: Plan) -> Result:
    """See Row."""
    async with open_site() as site:
        ca, certificate, key = site.mesh.state.credentials("service", "donations")
        async with serving(EchoServer(ca, certificate, key)) as port:
            partner = site.access("donations", "partner", _PARTNER)
            echo = replace(partner, address=f"127.0.0.1:{port}")
            ours, reference = await alternate(
                plan.repetitions,
                ours=lambda number: calls_a_second(site, plan, partner, number),
                reference=lambda number: calls_a_second(site, plan, echo, number, echo=True),
            )
    config = {
        "in_flight": _IN_FLIGHT,
        "clients": 1,
        "ids": "random",
        "donor_references": False,
        "reference_n": plan.calls * _REFERENCE_ROUNDS,
    }
    return make_result(ROW.name, ours, reference, unit="calls/s", n=plan.calls, config=config)


async def calls_a_second(
    site: Site, plan: Plan, access: Access, number: int, *, echo: bool = False
) -> float:
    """Calls a second with 128 in flight, for other rows too."""
    lot = Lot(
        _PARTNER,
        seed=number,
        gifts=warmed(plan.calls),
        start=datetime.now(UTC) - timedelta(days=2),
    )
    rounds = _REFERENCE_ROUNDS if echo else 1
    job = CallJob(access, lot, site.projects, site.occasion.campaign, _IN_FLIGHT, echo, rounds)
    async with crew([job]) as together:
        await site.checkpoint()
        started = time.monotonic()
        [done] = await together.work()
        return done / (time.monotonic() - started)


ROW = Row("unary", 0.6, run)
