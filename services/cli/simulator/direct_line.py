"""A partner's gRPC line: gifts by batches on a stream, some gifts and all refunds by calls."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import datetime

import grpc
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub

from services.cli.simulator import wire
from services.cli.simulator.patience import Patience
from services.cli.simulator.reports import Gift, Kind, Refund, Report, Way
from services.cli.simulator.stream import BATCH_ROWS, BatchStream
from services.cli.simulator.tally import Answer, Pace, Tally

_CALL_TIMEOUT_S = 5.0
_CALLS_IN_FLIGHT = 16


class DirectLine:
    """Sends one partner's rounds over one channel."""

    def __init__(
        self, partner: str, channel: grpc.aio.Channel, tally: Tally, pace: Pace, stranger: str
    ) -> None:
        """stranger: another partner, whose name forged reports use."""
        self._partner = partner
        self._stub = DonationIntakeServiceStub(channel)
        self._tally = tally
        self._pace = pace
        self._stranger = stranger

    async def send(
        self,
        reports: Sequence[Report],
        *,
        altered_batches: int = 0,
        complete_until: datetime | None = None,
    ) -> None:
        """Sends a round. Returns when each report has its final answer.

        altered_batches: how often to send the first batch altered on the way, before it is sent
            well. complete_until: what the round's last batch says of this partner's watermark.
        Raises UnansweredError (in a group) if a report gets no answer.
        """
        batched = [report for report in reports if report.way is Way.STREAM]
        called = iter([report for report in reports if report.way is Way.CALL])
        assert all(report.way is not Way.NOTICE for report in reports)

        async def call_on() -> None:
            for report in called:
                await self._pace.wait()
                await self._call(report)
                self._tally.reports += 1

        stream = BatchStream(self._stub, self._tally, self._pace)
        for _ in range(altered_batches):
            await stream.send_altered(batched[:BATCH_ROWS])
        async with asyncio.TaskGroup() as group:
            group.create_task(stream.send(batched, complete_until))
            for _ in range(_CALLS_IN_FLIGHT):
                group.create_task(call_on())

    async def _call(self, report: Report) -> None:
        """One report by one call, repeated with the same ids until it has a final answer."""
        request_id = str(uuid.uuid4())
        patience = Patience()
        while True:
            try:
                outcome = await self._attempt(report, request_id)
            except grpc.aio.AioRpcError as error:
                if not wire.is_transient(error):
                    self._failed(report, error)
                    return
                self._tally.retries += 1
                await patience.wait(wire.in_words(error))
            else:
                self._answered(report, outcome)
                return

    async def _attempt(self, report: Report, request_id: str) -> Answer:
        subject = report.subject
        if isinstance(subject, Gift):
            named = self._stranger if report.kind is Kind.FORGED else self._partner
            gift = wire.record_donation(subject, request_id, named)
            outcome = (await self._stub.RecordDonation(gift, timeout=_CALL_TIMEOUT_S)).outcome
        else:
            assert isinstance(subject, Refund), "disputes are told by notices"
            refund = wire.record_refund(subject, request_id)
            outcome = (await self._stub.RecordRefund(refund, timeout=_CALL_TIMEOUT_S)).outcome
        return Answer(intake.Outcome.Name(outcome).removeprefix("OUTCOME_").lower())

    def _answered(self, report: Report, answer: Answer) -> None:
        if isinstance(report.subject, Gift):
            self._tally.gifts[answer] += 1
        elif isinstance(report.subject, Refund):
            self._tally.refund(report.subject, answer)
        if report.kind in (Kind.FORGED, Kind.CONFLICT):
            self._tally.surprise(f"a {report.kind.name} report was answered {answer}")

    def _failed(self, report: Report, error: grpc.aio.AioRpcError) -> None:
        reason = wire.reason_of(error)
        if report.kind is Kind.FORGED and reason == "PARTNER_MISMATCH":
            self._tally.refused += 1
        elif report.kind is Kind.CONFLICT and reason == "DONATION_CONFLICT":
            self._tally.gifts[Answer.CONFLICTING] += 1
        else:
            self._tally.surprise(f"a {report.kind.name} report failed: {wire.in_words(error)}")
