"""The gauges of the totals show what the totals are."""

import asyncio

from prometheus_client import REGISTRY

from services.gateway.domain import Amount, Snapshot, TotalState
from services.gateway.live import LiveTotals
from services.gateway.metrics import publish_totals
from tests.support.clock import FixedClock
from tests.unit.gateway.strategies import NEVER, START
from tests.unit.gateway.test_totals import cell, posting


def shown(state: str) -> float | None:
    labels = {"purpose": "charity", "state": state, "currency": "CNY"}
    return REGISTRY.get_sample_value("watersmeet_total_micros", labels)


async def test_what_came_to_nothing_is_shown_as_nothing() -> None:
    live = LiveTotals(FixedClock(START), gather_s=0.0)
    live.load(Snapshot(NEVER, ()))
    running = [
        asyncio.create_task(live.pulse()),
        asyncio.create_task(publish_totals(live, gather_s=0.0)),
    ]
    disputed = cell(state=TotalState.DISPUTED)

    async def shows(micros: float) -> None:
        async with asyncio.timeout(5):
            while shown("disputed") != micros:
                await live.wake.wait()
                await asyncio.sleep(0)

    try:
        live.apply(posting(1, Amount(disputed, 5_000_000, 1)))
        await shows(5_000_000)
        live.apply(posting(2, Amount(disputed, -5_000_000, -1)))
        live.apply(posting(3, Amount(cell(), 1, 1)))
        await shows(0)
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
