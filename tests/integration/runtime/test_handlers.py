"""What becomes of what handlers return, raise, and never finish."""

import asyncio
from typing import Any

import grpc
import pytest
import sqlalchemy
from prometheus_client import REGISTRY
from watersmeet.gateway.v1 import totals_service_pb2 as totals_pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as totals_grpc

from services.runtime.database import OutcomeUnknown
from services.runtime.errors import Fault, Reason
from services.runtime.status import code_of, fault_from_rpc_error
from tests.integration.runtime.conftest import Connect, Log, Serve
from tests.integration.runtime.servicers import IdleTotals, Totals

TIMEOUT_S = 10
SECRET = "hunter2"


async def get_totals(serve: Serve, connect: Connect, totals: Totals, **settings: Any) -> Fault:
    server = await serve(totals=totals, **settings)
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    fault = fault_from_rpc_error(caught.value)
    assert caught.value.code() is code_of(fault.reason)
    return fault


async def test_a_fault_arrives_whole(serve: Serve, connect: Connect) -> None:
    raised = Fault(Reason.QUEUE_FULL, "wait a little", retry_after=0.25, queue="gifts")
    fault = await get_totals(serve, connect, Totals(raised))
    assert (fault.reason, fault.message) == (Reason.QUEUE_FULL, "wait a little")
    assert fault.retry_after == 0.25
    assert fault.metadata == {"queue": "gifts"}


async def test_a_fault_that_quotes_too_much_arrives_cut(serve: Serve, connect: Connect) -> None:
    quoted = dict.fromkeys(("field", "expected", "actual", "hint"), "融" * 10000)
    raised = Fault(Reason.FIELD_INVALID, "汇" * 10_000)
    raised.metadata = dict(quoted)
    fault = await get_totals(serve, connect, Totals(raised))
    assert fault.reason is Reason.FIELD_INVALID
    assert fault.metadata == dict.fromkeys(quoted, "融" * 85)


async def test_a_handler_that_forgets_its_response(serve: Serve, connect: Connect) -> None:
    class Forgetful(IdleTotals):
        async def GetTotals(self, request: Any, context: Any) -> Any:
            return None

    server = await serve(totals=Forgetful())
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    assert fault_from_rpc_error(caught.value).reason is Reason.INTERNAL


async def test_a_defect_shows_nothing_of_the_inside(
    serve: Serve, connect: Connect, log: Log
) -> None:
    fault = await get_totals(serve, connect, Totals(ValueError(SECRET)))
    assert fault.reason is Reason.INTERNAL
    assert SECRET not in fault.message
    assert "ValueError" not in fault.message
    call = await log.line("call")
    assert call["request_id"] == fault.metadata["request_id"]
    assert (call["code"], call["reason"]) == ("INTERNAL", "INTERNAL")
    defect = await log.line("defect")
    assert defect["request_id"] == fault.metadata["request_id"]
    assert "Traceback" in defect["exception"]
    assert SECRET in defect["exception"]


async def test_a_cancellation_from_within_is_a_defect_and_not_a_silence(
    serve: Serve, connect: Connect
) -> None:
    fault = await get_totals(serve, connect, Totals(asyncio.CancelledError()))
    assert fault.reason is Reason.INTERNAL


async def test_a_timeout_of_the_handlers_own_is_a_defect(serve: Serve, connect: Connect) -> None:
    fault = await get_totals(serve, connect, Totals(TimeoutError()))
    assert fault.reason is Reason.INTERNAL


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OutcomeUnknown("broke"), Reason.OUTCOME_UNKNOWN),
        (sqlalchemy.exc.TimeoutError("the pool is empty"), Reason.DEPENDENCY_UNAVAILABLE),
        (
            grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), SECRET
            ),
            Reason.DEPENDENCY_UNAVAILABLE,
        ),
        (
            grpc.aio.AioRpcError(
                grpc.StatusCode.PERMISSION_DENIED, grpc.aio.Metadata(), grpc.aio.Metadata(), SECRET
            ),
            Reason.INTERNAL,
        ),
    ],
)
async def test_what_failed_behind_the_handler(
    serve: Serve, connect: Connect, error: BaseException, reason: Reason
) -> None:
    fault = await get_totals(serve, connect, Totals(error))
    assert fault.reason is reason
    assert SECRET not in fault.message


async def test_a_unary_call_has_a_deadline(serve: Serve, connect: Connect) -> None:
    fault = await get_totals(serve, connect, Totals(60.0), call_timeout_s=0.1)
    assert fault.reason is Reason.DEADLINE_EXCEEDED
    assert "0.1 s" in fault.message


async def test_a_clients_own_deadline_counts_too(serve: Serve, connect: Connect, log: Log) -> None:
    server = await serve(totals=Totals(60.0))
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetTotals(totals_pb.GetTotalsRequest(), timeout=0.1)
    assert fault_from_rpc_error(caught.value).reason is Reason.DEADLINE_EXCEEDED
    assert (await log.line("call"))["code"] == "DEADLINE_EXCEEDED"


def counted(name: str, method: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(
        name,
        {
            "grpc_type": "server_stream" if method == "WatchTotals" else "unary",
            "grpc_service": "watersmeet.gateway.v1.TotalsService",
            "grpc_method": method,
            **labels,
        },
    )
    return value or 0.0


async def test_calls_are_counted(serve: Serve, connect: Connect, log: Log) -> None:
    def figures() -> list[float]:
        return [
            counted("grpc_server_started_total", "GetTotals"),
            counted("grpc_server_handled_total", "GetTotals", grpc_code="OK"),
            counted("grpc_server_handled_total", "GetTotals", grpc_code="ResourceExhausted"),
            counted("grpc_server_handling_seconds_count", "GetTotals"),
            counted("grpc_server_started_total", "WatchTotals"),
            counted("grpc_server_msg_received_total", "WatchTotals"),
            counted("grpc_server_msg_sent_total", "WatchTotals"),
        ]

    before = figures()
    totals = Totals()
    server = await serve(totals=totals)
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))
    await stub.GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    async for _ in stub.WatchTotals(totals_pb.WatchTotalsRequest(), timeout=TIMEOUT_S):
        pass
    totals.outcome = Fault(Reason.QUEUE_FULL, "wait")
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    await log.line("call", 3)
    assert [now - then for now, then in zip(figures(), before, strict=True)] == [
        2, 1, 1, 2, 1, 1, 3,
    ]  # fmt: skip


async def test_a_fault_for_a_client_that_has_left_harms_nobody(
    serve: Serve, connect: Connect, log: Log
) -> None:
    begun = asyncio.Event()

    class Stubborn(IdleTotals):
        async def GetTotals(self, request: Any, context: Any) -> Any:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError as error:
                raise Fault(Reason.TOTALS_NOT_READY, "nobody hears it") from error

    server = await serve(totals=Stubborn())
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))
    call = stub.GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    await begun.wait()
    call.cancel()
    assert (await log.line("call"))["reason"] == "TOTALS_NOT_READY"


async def test_a_deadline_is_told_whatever_the_handler_makes_of_it(
    serve: Serve, connect: Connect
) -> None:
    class Stubborn(IdleTotals):
        async def GetTotals(self, request: Any, context: Any) -> Any:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError as error:
                raise ValueError("as a library may") from error

    server = await serve(totals=Stubborn(), call_timeout_s=0.1)
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    assert fault_from_rpc_error(caught.value).reason is Reason.DEADLINE_EXCEEDED


async def test_deadlines_of_calls_that_overlap(serve: Serve, connect: Connect) -> None:
    """One timer serves them all: each call still has its own time."""

    class Sleepy(IdleTotals):
        async def GetTotals(self, request: Any, context: Any) -> Any:
            await asyncio.sleep(float(request.filter.campaigns[0]))
            return totals_pb.GetTotalsResponse()

    server = await serve(totals=Sleepy(), call_timeout_s=0.3)
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))

    async def seconds_until_given_up(after: float, sleep: float) -> float | None:
        await asyncio.sleep(after)
        begin = asyncio.get_running_loop().time()
        request = totals_pb.GetTotalsRequest(filter=totals_pb.TotalsFilter(campaigns=[str(sleep)]))
        code = await stub.GetTotals(request, timeout=TIMEOUT_S).code()
        if code is grpc.StatusCode.OK:
            return None
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        return asyncio.get_running_loop().time() - begin

    results = await asyncio.gather(
        seconds_until_given_up(0.0, 0.01),
        seconds_until_given_up(0.0, 9),
        seconds_until_given_up(0.1, 0.25),
        seconds_until_given_up(0.2, 9),
    )
    assert [result is None for result in results] == [True, False, True, False]
    assert all(0.25 < result < 1.5 for result in results if result is not None)
