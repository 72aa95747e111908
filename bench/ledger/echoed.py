"""Single calls of the ledger, beside a gRPC echo of the same messages."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.echo import EchoServer
from bench.ledger.calls import Calls, CallsJob
from bench.processes import crew, serving
from bench.result import Result, alternate, make_result
from bench.row import Plan
from bench.site import Site
from services.cli.simulator.wire import Access

IN_FLIGHT = 64
WARM_UP = 200
# The echo is so much quicker that it needs more calls to be measured for as long.
_REFERENCE_ROUNDS = 4


async def beside_echo(
    name: str, site: Site, plan: Plan, caller: Access, make: Callable[[], Calls]
) -> Result:
    """Ours and the echo in turns. make: the calls of one measurement, WARM_UP more than counted."""
    ca, certificate, key = site.mesh.state.credentials("service", "ledger")
    async with serving(EchoServer(ca, certificate, key, make().method)) as port:
        echo = replace(caller, address=f"127.0.0.1:{port}")
        ours, reference = await alternate(
            plan.repetitions,
            ours=lambda _: _calls_a_second(site, CallsJob(caller, make(), IN_FLIGHT, WARM_UP)),
            reference=lambda _: _calls_a_second(
                site,
                CallsJob(echo, make(), IN_FLIGHT, WARM_UP, echo=True, rounds=_REFERENCE_ROUNDS),
            ),
        )
    config: dict[str, Any] = {
        "in_flight": IN_FLIGHT,
        "clients": 1,
        "reference_n": plan.calls * _REFERENCE_ROUNDS,
    }
    return make_result(name, ours, reference, unit="calls/s", n=plan.calls, config=config)


async def _calls_a_second(site: Site, job: CallsJob) -> float:
    async with crew([job]) as together:
        await site.checkpoint()
        started = time.monotonic()
        [done] = await together.work()
        return done / (time.monotonic() - started)
