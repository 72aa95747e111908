"""What the posting rows share: PostEntries on one site, beside the bare writer."""

import asyncio
import time
from typing import Any

from bench.ledger.calls import CallsJob, Posts, new_seed
from bench.ledger.copying import ROWS, TransferCopyJob, make_reference_table
from bench.ledger.entries import TRANSFERS, Entries
from bench.processes import crew
from bench.row import Plan
from bench.site import Site

ENTRIES_A_CALL = 1_000
_IN_FLIGHT = 12  # so that calls are being read while two groups of four calls are under way
_WARM_UP = 12
_REFERENCE = "bench_transfers"


class Posting:
    """Measures on one site."""

    def __init__(self, site: Site, plan: Plan) -> None:
        self._site = site
        self._plan = plan
        self._copied = 0

    @property
    def transfers(self) -> int:
        """Transfers of one measurement."""
        return self._plan.posting_calls * ENTRIES_A_CALL * TRANSFERS

    @property
    def config(self) -> dict[str, Any]:
        """What the figures depend on."""
        return {
            "entries_a_call": ENTRIES_A_CALL,
            "transfers_an_entry": TRANSFERS,
            "in_flight": _IN_FLIGHT,
            "clients": 1,
            "copy_rows": ROWS,
            "copy_writers": 1,
            "checkpoint": "before each measurement",
        }

    async def prepare(self) -> None:
        """Makes the reference's table."""
        await asyncio.to_thread(make_reference_table, self._site.ledger_owner_url, _REFERENCE)

    async def post(self, **shape: Any) -> float:
        """Ours: transfers/s, durable and sealed at the answer. shape: see Entries."""
        calls = self._plan.posting_calls + _WARM_UP
        entries = Entries(new_seed(), calls * ENTRIES_A_CALL, **shape)
        poster = self._site.access("ledger", "service", "donations")
        job = CallsJob(poster, Posts(entries, ENTRIES_A_CALL), _IN_FLIGHT, _WARM_UP)
        async with crew([job]) as together:
            await self._site.checkpoint()
            started = time.monotonic()
            [done] = await together.work()
            elapsed = time.monotonic() - started
        return done * ENTRIES_A_CALL * TRANSFERS / elapsed

    async def copy(self) -> float:
        """The reference: rows/s of bare COPY."""
        entries = Entries(new_seed(), self._plan.posting_calls * ENTRIES_A_CALL)
        job = TransferCopyJob(
            self._site.ledger_owner_url, _REFERENCE, entries, self._copied // TRANSFERS + 1
        )
        async with crew([job]) as together:
            await self._site.checkpoint()
            started = time.monotonic()
            [rows] = await together.work()
            elapsed = time.monotonic() - started
        self._copied += rows
        return rows / elapsed
