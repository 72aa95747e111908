"""What the audit hears of a donations service that is slow, silent or gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from watersmeet.donations.v1 import batch_service_pb2 as pb
from watersmeet.donations.v1 import batch_service_pb2_grpc as pb_grpc

from services.ledger.audit.donations import DonationsBatches
from services.runtime.errors import Fault, Reason
from tests.unit.ledger.drafts import new_id


class Slow(pb_grpc.BatchServiceServicer):
    """Tells a batch, and another as often after so many seconds; then waits until it is let go."""

    def __init__(self, pauses: list[float], *, ends: bool) -> None:
        self._pauses = pauses
        self._ends = ends
        self.let_go = asyncio.Event()

    async def SummarizeBatches(
        self, _request: pb.SummarizeBatchesRequest, _context: object
    ) -> AsyncIterator[pb.SummarizeBatchesResponse]:
        """Batches without lines."""
        yield pb.SummarizeBatchesResponse(batch_id=new_id(), gifts=1)
        for pause in self._pauses:
            await asyncio.sleep(pause)
            yield pb.SummarizeBatchesResponse(batch_id=new_id(), gifts=1)
        if not self._ends:
            await self.let_go.wait()


@asynccontextmanager
async def serving(servicer: Slow) -> AsyncIterator[Any]:
    server = grpc.aio.server()
    pb_grpc.add_BatchServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        servicer.let_go.set()
        await server.stop(None)


async def test_one_who_goes_on_telling_may_take_longer_than_the_silence_allowed() -> None:
    async with serving(Slow([0.2] * 8, ends=True)) as channel:
        told = [one async for one in DonationsBatches(channel, silence_s=1.0).summaries()]
    assert len(told) == 9


async def test_one_who_falls_silent_is_waited_for_only_so_long() -> None:
    async with serving(Slow([], ends=False)) as channel:
        summaries = DonationsBatches(channel, silence_s=0.3).summaries()
        assert (await anext(summaries)).gifts == 1
        with pytest.raises(Fault) as caught:
            await anext(summaries)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert "told nothing for 0.3 s" in caught.value.message
