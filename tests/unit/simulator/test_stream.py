"""A stream of batches against a service that breaks off, and goes on."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import grpc
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import (
    DonationIntakeServiceServicer,
    DonationIntakeServiceStub,
    add_DonationIntakeServiceServicer_to_server,
)

from services.cli.simulator import stream as stream_module
from services.cli.simulator.reports import Gift, Kind, Report, Way
from services.cli.simulator.stream import BatchStream
from services.cli.simulator.tally import Answer, Pace, Tally

MOMENT = datetime(2019, 9, 5, tzinfo=UTC)
Requests = AsyncIterator[intake.StreamDonationsRequest]
Context = grpc.aio.ServicerContext[intake.StreamDonationsRequest, intake.StreamDonationsResponse]


class Service(DonationIntakeServiceServicer):
    """Records ids once. Breaks a connection after so many batches, before their last answer."""

    def __init__(self, breaks: Iterator[int]) -> None:
        self.recorded: dict[str, int] = {}
        self.stream_ids: set[str] = set()
        self.watermarks: list[bool] = []
        self.connections = 0
        self._breaks = breaks

    async def StreamDonations(
        self, requests: Requests, context: Context
    ) -> AsyncIterator[intake.StreamDonationsResponse]:
        self.connections += 1
        left = next(self._breaks)
        async for request in requests:
            if request.HasField("opening"):
                self.stream_ids.add(request.opening.stream_id)
                yield intake.StreamDonationsResponse(opened=intake.StreamOpened())
                continue
            answer = self.record(request.batch)
            left -= 1
            if left == 0:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "killed")
            yield intake.StreamDonationsResponse(acknowledgement=answer)

    def record(self, batch: intake.DonationBatch) -> intake.BatchAcknowledgement:
        answer = intake.BatchAcknowledgement(offset=batch.offset)
        self.watermarks.append(batch.HasField("complete_until_time"))
        for index, row in enumerate(zip(batch.external_ids, batch.amounts_micros, strict=True)):
            known = self.recorded.setdefault(*row)
            if known != row[1]:
                answer.conflicting += 1
                answer.rows.add(index=index, outcome=intake.OUTCOME_CONFLICTING)
            elif index % 2:
                answer.replayed += 1
            else:
                answer.accepted += 1
        return answer


def service_that_breaks_after(*batches: int) -> Service:
    """One number a connection; 0 never breaks."""
    # Abstract for the type checker only: nothing but streams is called.
    return Service(iter(batches))  # type: ignore[abstract]


@asynccontextmanager
async def line_to(service: Service, pace: Pace | None = None) -> AsyncIterator[BatchStream]:
    server = grpc.aio.server()
    add_DonationIntakeServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = DonationIntakeServiceStub(channel)
            yield BatchStream(stub, Tally("weibo"), pace or Pace())
    finally:
        await server.stop(None)


def told(number: int, amount: int = 5, kind: Kind = Kind.FIRST) -> Report:
    return Report(Gift("weibo", f"G{number}", "water", "c", amount, MOMENT, ""), kind, Way.STREAM)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "BATCH_ROWS", 10)


async def test_a_stream_goes_on_after_each_break() -> None:
    reports = [told(number) for number in range(95)]
    service = service_that_breaks_after(3, 1, 2, 0)
    async with line_to(service) as line:
        await line.send(reports, complete_until=MOMENT)
        tally = line.tally
    assert service.recorded == {f"G{number}": 5 for number in range(95)}
    assert service.connections == 4
    assert len(service.stream_ids) == 1
    assert tally.retries == 3
    assert tally.reports == 95
    assert tally.gifts.total() == 95
    assert tally.surprises == []
    assert service.watermarks.count(True) == 1
    assert service.watermarks[-1]


async def test_conflicts_are_held_against_the_plan() -> None:
    originals = [told(number) for number in range(10)]
    claims = [told(3, amount=6, kind=Kind.CONFLICT), told(4, amount=5, kind=Kind.CONFLICT)]
    async with line_to(service_that_breaks_after(0, 0)) as line:
        await line.send(originals)
        await line.send(claims)
        tally = line.tally
    assert tally.gifts[Answer.CONFLICTING] == 1
    assert tally.surprise_count == 1


async def test_an_altered_batch_that_is_taken_is_a_surprise() -> None:
    async with line_to(service_that_breaks_after(0)) as line:
        await line.send_altered([told(number) for number in range(4)])
        tally = line.tally
    assert tally.surprise_count == 1
    assert tally.refused == 0


async def test_a_slow_pace_makes_small_batches() -> None:
    service = service_that_breaks_after(0)
    async with line_to(service, Pace(per_second=400)) as line:
        await line.send([told(number) for number in range(20)])
        assert len(service.watermarks) == 2
    assert Pace(per_second=8).batch_rows(500) == 2
    assert Pace(per_second=0.5).batch_rows(500) == 1
