"""Batches of gifts on a stream that goes on after its connection broke."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import grpc
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake

from services.cli.simulator import wire
from services.cli.simulator.patience import Patience
from services.cli.simulator.reports import Kind, Report
from services.cli.simulator.tally import Answer, Pace, Tally

if TYPE_CHECKING:
    from watersmeet.donations.v1.donation_intake_service_pb2_grpc import (
        DonationIntakeServiceAsyncStub,
    )

BATCH_ROWS = 500
_BATCHES_IN_FLIGHT = 2
# For one answer, and for all batches of one connection; the stream goes on after either.
_ANSWER_TIMEOUT_S = 15.0
_CONNECTION_TIMEOUT_S = 600.0


class BatchStream:
    """Sends reports in batches, two of them unacknowledged at a time.

    After a broken connection the same stream is opened again, and everything that was not
    acknowledged *to us* is sent again. What the service has already, it answers as replayed.
    """

    def __init__(self, stub: DonationIntakeServiceAsyncStub, tally: Tally, pace: Pace) -> None:
        self._stub = stub
        self.tally = tally
        self._pace = pace

    async def send(self, reports: Sequence[Report], complete_until: datetime | None = None) -> None:
        """Sends all reports; returns when each batch is acknowledged. Raises UnansweredError.

        complete_until: what the last batch says of the partner's watermark.
        """
        rows = self._pace.batch_rows(BATCH_ROWS)
        starts = range(0, len(reports), rows)
        batches = [
            wire.donation_batch(
                start,
                reports[start : start + rows],
                complete_until if start == starts[-1] else None,
            )
            for start in starts
        ]
        stream_id, done, patience = _new_stream_id(), 0, Patience()
        while done < len(batches):
            try:
                async for answer in self._connection(stream_id, batches[done:]):
                    start = batches[done].offset
                    self._acknowledged(reports[start : start + rows], answer)
                    done, patience = done + 1, Patience()
            except grpc.aio.AioRpcError as error:
                if not wire.is_transient(error):
                    self.tally.surprise(f"a stream was refused: {wire.in_words(error)}")
                    return
                self.tally.retries += 1
                await patience.wait(wire.in_words(error))

    async def send_altered(self, reports: Sequence[Report]) -> None:
        """Sends one batch with control totals that do not tie, and expects it to be refused."""
        if not reports:
            return
        batch = wire.altered(wire.donation_batch(0, reports))
        patience = Patience()
        while True:
            try:
                async for answer in self._connection(_new_stream_id(), [batch]):
                    self.tally.surprise(f"an altered batch was taken: {answer.accepted} rows")
            except grpc.aio.AioRpcError as error:
                if wire.is_transient(error):
                    self.tally.retries += 1
                    await patience.wait(wire.in_words(error))
                    continue
                if wire.reason_of(error) == "CONTROL_TOTALS_MISMATCH":
                    self.tally.refused += 1
                else:
                    self.tally.surprise(f"an altered batch failed: {wire.in_words(error)}")
            self.tally.reports += 1
            return

    async def _connection(
        self, stream_id: str, batches: Sequence[intake.DonationBatch]
    ) -> AsyncIterator[intake.BatchAcknowledgement]:
        """Yields one acknowledgement for each batch. Raises AioRpcError if the connection ends."""
        call = self._stub.StreamDonations(timeout=_CONNECTION_TIMEOUT_S)
        try:
            opening = intake.StreamOpening(request_id=str(uuid.uuid4()), stream_id=stream_id)
            await _write(call, intake.StreamDonationsRequest(opening=opening))
            await _read(call)
            sent = 0
            for done in range(len(batches)):
                while sent < min(len(batches), done + _BATCHES_IN_FLIGHT):
                    await self._pace.wait(len(batches[sent].external_ids))
                    await _write(call, intake.StreamDonationsRequest(batch=batches[sent]))
                    sent += 1
                answer = (await _read(call)).acknowledgement
                assert answer.offset == batches[done].offset, "acknowledgements keep the order"
                yield answer
            await call.done_writing()
            await call.code()
        finally:
            call.cancel()

    def _acknowledged(self, reports: Sequence[Report], answer: intake.BatchAcknowledgement) -> None:
        gifts = self.tally.gifts
        gifts[Answer.ACCEPTED] += answer.accepted - answer.suspended
        gifts[Answer.SUSPENDED] += answer.suspended
        gifts[Answer.REPLAYED] += answer.replayed
        gifts[Answer.CONFLICTING] += answer.conflicting
        self.tally.reports += len(reports)
        told = answer.accepted + answer.replayed + answer.conflicting + answer.refused
        if told != len(reports):
            self.tally.surprise(f"{len(reports)} rows were sent and {told} answered")
        conflicting = {r.index for r in answer.rows if r.outcome == intake.OUTCOME_CONFLICTING}
        expected = {i for i, report in enumerate(reports) if report.kind is Kind.CONFLICT}
        if conflicting != expected:
            self.tally.surprise(f"rows {sorted(conflicting ^ expected)[:5]} conflict or do not")
        for row in answer.rows:
            if row.outcome == intake.OUTCOME_REFUSED:
                self.tally.surprise(f"a row was refused: {row.problem.message}")


_Call = grpc.aio.StreamStreamCall[intake.StreamDonationsRequest, intake.StreamDonationsResponse]


async def _write(call: _Call, message: intake.StreamDonationsRequest) -> None:
    """Writes, and says how the call ended if it has ended."""
    try:
        await call.write(message)
    except asyncio.InvalidStateError:
        raise await _ending(call) from None


async def _read(call: _Call) -> intake.StreamDonationsResponse:
    """The next answer. Raises AioRpcError if the call ended instead."""
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            answer = await call.read()
    except TimeoutError:
        call.cancel()
        raise await _ending(call) from None
    if isinstance(answer, intake.StreamDonationsResponse):
        return answer
    raise await _ending(call)


async def _ending(call: _Call) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        await call.code(),
        await call.initial_metadata(),
        await call.trailing_metadata(),
        await call.details(),
    )


def _new_stream_id() -> str:
    return f"simulator.{uuid.uuid4().hex}"
