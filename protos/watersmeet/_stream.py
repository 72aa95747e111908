"""Batches out, acknowledgements in, over as many connections as it takes."""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio

from watersmeet._errors import DEADLINE_EXCEEDED, UNREACHABLE, Backoff, WatersmeetError, error_of
from watersmeet.donations.v1.donation_intake_service_pb2 import (
    BatchAcknowledgement,
    DonationBatch,
    StreamDonationsRequest,
    StreamDonationsResponse,
    StreamOpening,
)

if TYPE_CHECKING:
    from watersmeet.donations.v1.donation_intake_service_pb2_grpc import (
        DonationIntakeServiceAsyncStub,
    )

    Call = grpc.aio.StreamStreamCall[StreamDonationsRequest, StreamDonationsResponse]

# How often a quiet stream looks whether it waits too long.
_POLL_S = 0.5


async def open_stream(call: "Call", stream_id: str) -> int:
    """Opens a stream on a new call; answers the offset to go on from.

    Raises AioRpcError, and WatersmeetError if the server ends the call instead.
    """
    opening = StreamOpening(request_id=str(uuid.uuid4()), stream_id=stream_id)
    await call.write(StreamDonationsRequest(opening=opening))
    response = await call.read()
    if response is grpc.aio.EOF:
        raise WatersmeetError(UNREACHABLE, "the server ended the stream before it was open")
    return cast("StreamDonationsResponse", response).opened.next_offset


class DonationStream:
    """One stream of one partner.

    Holds at most in_flight batches: each from when it is built to when its acknowledgement is
    handed out. After a broken connection those are sent again, which counts nothing twice.

    timeout_s: how long to wait for an acknowledgement before the connection counts as broken.
    patience_s: how long to go on connecting without any progress before giving up.
    """

    def __init__(
        self,
        stub: "DonationIntakeServiceAsyncStub",
        source: AsyncIterator[DonationBatch],
        stream_id: str,
        *,
        in_flight: int,
        timeout_s: float,
        patience_s: float,
    ) -> None:
        self._stub = stub
        self._source = source
        self._stream_id = stream_id
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._room = asyncio.Semaphore(in_flight)
        self._changed = asyncio.Event()  # wakes the sender
        # The batches that are not acknowledged, oldest first; the first is batch number _first.
        self._pending: deque[DonationBatch] = deque()
        self._first = 0
        self._sent = 0  # the number of the next batch to send on this connection
        # gRPC loses the server's reason if it ends a call while a batch is being written. What was
        # on its way then is sent again one by one, up to this number, so that the reason is heard.
        self._careful_until = 0
        self._exhausted = False
        self._left_s = 0.0  # when a batch last went out with none before it on the way

    async def acknowledgements(self) -> AsyncGenerator[BatchAcknowledgement, None]:
        """Sends everything. Raises WatersmeetError, or what the source raised, after everything
        that came before it is acknowledged.
        """
        loop = asyncio.get_running_loop()
        feeder = asyncio.create_task(self._feed())
        backoff = Backoff()
        failing_since_s: float | None = None
        try:
            while True:
                began_s = loop.time()
                try:
                    async with contextlib.aclosing(self._connected()) as acknowledgements:
                        async for acknowledgement in acknowledgements:
                            backoff.reset()
                            failing_since_s = None
                            yield acknowledgement
                    break
                except WatersmeetError as error:
                    now_s = loop.time()
                    # A connection that was quiet for long, and then broke, begins a new row of
                    # failures.
                    if failing_since_s is None or now_s - began_s > self._patience_s:
                        failing_since_s = now_s
                    delay_s = backoff.delay(error)
                    if delay_s is None or now_s + delay_s > failing_since_s + self._patience_s:
                        raise
                await asyncio.sleep(delay_s)
            await feeder
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)

    async def _feed(self) -> None:
        """Takes from the source while there is room. Outlives connections: what a source has
        given, it does not give again.
        """
        try:
            while True:
                await self._room.acquire()
                batch = await anext(self._source, None)
                if batch is None:
                    return
                self._pending.append(batch)
                self._changed.set()
        finally:
            self._exhausted = True
            self._changed.set()

    async def _connected(self) -> AsyncGenerator[BatchAcknowledgement, None]:
        """One connection: ends when everything is acknowledged, raises WatersmeetError before."""
        call = self._stub.StreamDonations()
        sender: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await open_stream(call, self._stream_id)
            self._careful_until = max(self._careful_until, self._sent)
            self._sent = self._first
            sender = asyncio.create_task(self._send(call))
            while (response := await self._read(call)) is not None:
                yield self._acknowledge(response)
        # Once everything is acknowledged, how the connection ends does not matter.
        except TimeoutError:
            if not self._finished:
                raise _stalled(self._timeout_s) from None
        except grpc.aio.AioRpcError as failure:
            if not self._finished:
                raise error_of(failure) from failure
        finally:
            if sender is not None:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
            call.cancel()
        if not self._finished:
            raise WatersmeetError(UNREACHABLE, "the server ended the stream early")

    @property
    def _finished(self) -> bool:
        return self._exhausted and not self._pending

    async def _send(self, call: "Call") -> None:
        # A connection that breaks here breaks for the reader too, and there it is told why.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                self._changed.clear()
                on_the_way = self._sent - self._first
                if self._careful_until > self._first and on_the_way:
                    await self._changed.wait()
                elif on_the_way < len(self._pending):
                    if not on_the_way:
                        self._left_s = asyncio.get_running_loop().time()
                    self._sent += 1
                    batch = self._pending[on_the_way]
                    await call.write(StreamDonationsRequest(batch=batch))
                elif self._exhausted:
                    await call.done_writing()
                    return
                else:
                    await self._changed.wait()

    async def _read(self, call: "Call") -> BatchAcknowledgement | None:
        """The next acknowledgement, or None at the end of the stream."""
        loop = asyncio.get_running_loop()
        # Not from the last acknowledgement: whoever reads them may have taken long over it.
        began_s = loop.time()
        reading = asyncio.ensure_future(call.read())
        try:
            while True:
                await asyncio.wait({reading}, timeout=_POLL_S)
                if reading.done():
                    break
                due = self._sent > self._first or self._finished
                if due and loop.time() > max(began_s, self._left_s) + self._timeout_s:
                    raise TimeoutError
        finally:
            if not reading.done():
                reading.cancel()
        response = reading.result()
        if response is grpc.aio.EOF:
            return None
        return cast("StreamDonationsResponse", response).acknowledgement

    def _acknowledge(self, acknowledgement: BatchAcknowledgement) -> BatchAcknowledgement:
        due = self._sent > self._first
        if not due or acknowledgement.offset != self._pending[0].offset:
            raise WatersmeetError(
                "INTERNAL", f"the server acknowledged offset {acknowledgement.offset} out of order"
            )
        self._pending.popleft()
        self._first += 1
        self._room.release()
        self._changed.set()
        return acknowledgement


def _stalled(timeout_s: float) -> WatersmeetError:
    return WatersmeetError(
        DEADLINE_EXCEEDED,
        f"the server acknowledged nothing for {timeout_s:g} s",
        code=grpc.StatusCode.UNAVAILABLE,
    )
