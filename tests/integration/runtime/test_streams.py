"""Streams in both directions: how they go on and how they end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as intake_grpc
from watersmeet.gateway.v1 import totals_service_pb2 as totals_pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as totals_grpc

from services.runtime import permissions
from services.runtime.call import current_call
from services.runtime.errors import Fault, Reason
from tests.integration.runtime.conftest import Connect, Log, Serve, messages_and_fault
from tests.integration.runtime.servicers import IdleIntake, Totals

TIMEOUT_S = 10


class Intake(IdleIntake):
    """Acknowledges every batch with its own offset, and refuses one at 13."""

    async def StreamDonations(self, request_iterator: Any, context: Any) -> Any:
        current_call()
        async for request in request_iterator:
            if request.batch.offset == 13:
                raise Fault(Reason.STREAM_OFFSET_GAP, "go back", expected_offset="3")
            yield intake_pb.StreamDonationsResponse(
                acknowledgement=intake_pb.BatchAcknowledgement(offset=request.batch.offset)
            )


async def test_responses_stream_until_the_fault(serve: Serve, connect: Connect) -> None:
    server = await serve(totals=Totals(Fault(Reason.TOTALS_NOT_READY, "later", step="3")))
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))
    watch = stub.WatchTotals(totals_pb.WatchTotalsRequest(), timeout=TIMEOUT_S)
    messages, fault = await messages_and_fault(watch)
    assert [message.cursor for message in messages] == ["0", "1", "2"]
    assert fault.reason is Reason.TOTALS_NOT_READY
    assert fault.metadata == {"step": "3"}


async def test_a_client_that_leaves_ends_the_handler(
    serve: Serve, connect: Connect, log: Log
) -> None:
    totals = Totals(60.0)
    server = await serve(totals=totals)
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))
    watch = stub.WatchTotals(totals_pb.WatchTotalsRequest(), timeout=TIMEOUT_S)
    assert [await watch.read() for _ in range(3)] == [
        totals_pb.WatchTotalsResponse(cursor=str(number)) for number in range(3)
    ]
    watch.cancel()
    async with asyncio.timeout(TIMEOUT_S):
        await totals.closed.wait()
    call = await log.line("call")
    assert call["code"] == "CANCELLED"
    assert (call["received"], call["sent"]) == (1, 3)


async def batches(
    *offsets: int, stay: bool = False
) -> AsyncIterator[intake_pb.StreamDonationsRequest]:
    """stay: says nothing more, and does not end: grpc.aio's client may forget the status of a
    stream that ends while it writes (status.py)."""
    for offset in offsets:
        yield intake_pb.StreamDonationsRequest(batch=intake_pb.DonationBatch(offset=offset))
    if stay:
        await asyncio.Event().wait()


async def test_both_sides_stream(serve: Serve, connect: Connect, log: Log) -> None:
    server = await serve(intake=Intake())
    stub = intake_grpc.DonationIntakeServiceStub(connect(server, "partner", "alipay"))
    request_id = str(uuid4())
    call = stub.StreamDonations(
        batches(1, 2, 3), timeout=TIMEOUT_S, metadata=(("x-request-id", request_id),)
    )
    assert [message.acknowledgement.offset async for message in call] == [1, 2, 3]
    assert ("x-request-id", request_id) in tuple(await call.trailing_metadata())
    line = await log.line("call")
    assert (line["received"], line["sent"], line["request_id"]) == (3, 3, request_id)


async def test_a_fault_amid_both_streams(serve: Serve, connect: Connect) -> None:
    server = await serve(intake=Intake())
    stub = intake_grpc.DonationIntakeServiceStub(connect(server, "partner", "alipay"))
    call = stub.StreamDonations(batches(1, 2, 13, stay=True), timeout=TIMEOUT_S)
    messages, fault = await messages_and_fault(call)
    assert [message.acknowledgement.offset for message in messages] == [1, 2]
    assert fault.reason is Reason.STREAM_OFFSET_GAP
    assert fault.metadata == {"expected_offset": "3"}


async def test_a_message_over_the_limit_ends_a_stream(serve: Serve, connect: Connect) -> None:
    server = await serve(intake=Intake())
    stub = intake_grpc.DonationIntakeServiceStub(connect(server, "partner", "alipay"))

    async def requests() -> AsyncIterator[intake_pb.StreamDonationsRequest]:
        yield intake_pb.StreamDonationsRequest(batch=intake_pb.DonationBatch(offset=1))
        large = intake_pb.DonationBatch(external_ids=["x" * 64] * 80_000)
        yield intake_pb.StreamDonationsRequest(batch=large)
        await asyncio.Event().wait()

    _, fault = await messages_and_fault(stub.StreamDonations(requests(), timeout=TIMEOUT_S))
    assert fault.reason is Reason.MESSAGE_TOO_LARGE


async def test_requests_stream_to_one_response(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No method of ours is of this kind today."""

    class Collector:
        async def collect(self, request_iterator: Any, context: Any) -> bytes:
            return b"+".join([message async for message in request_iterator])

    def add(servicer: Collector, server: grpc.aio.Server) -> None:
        handler: Any = grpc.stream_unary_rpc_method_handler(servicer.collect)
        generic = grpc.method_handlers_generic_handler("test.Collector", {"Collect": handler})
        server.add_generic_rpc_handlers((generic,))

    granted = {**permissions.PERMISSIONS, "/test.Collector/Collect": frozenset({"partner"})}
    monkeypatch.setattr(permissions, "PERMISSIONS", granted)
    server = await serve(services=[(add, Collector(), "test.Collector")])
    channel = connect(server, "partner", "alipay")
    collect: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(
        "/test.Collector/Collect"
    )
    assert await collect(iter([b"a", b"b", b"c"]), timeout=TIMEOUT_S) == b"a+b+c"
