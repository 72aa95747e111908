"""What happens to every call before, around and after its handler.

    admit     who calls, and may they                       identity, denied, permissions
    limit     calls at once, and a unary call's time        live_calls
    quota     what this partner may send                    quotas
    accept    a message's size and form                     messages
    identify  the request id: the client's, or a fresh one  call
    handler
    errors    any exception to a rich status                faults, status
    record    one log line, and the metrics                 logs, metrics

Handlers are coroutines, or async generators where responses stream, and raise Fault at any time.
One function serves all four arities: requests come as one message or as an iterator of them,
responses go as the return value or through `context.write`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import grpc

from services.runtime.denied import DeniedCertificates
from services.runtime.errors import Fault
from services.runtime.faults import fault_of
from services.runtime.live_calls import LiveCall, LiveCalls, shutting_down
from services.runtime.quotas.quotas import PartnerQuotas, Quotas
from services.runtime.requests import Requests
from services.runtime.served import Context, Handler, Method, Served


class CallInterceptor(grpc.aio.ServerInterceptor):
    """The one interceptor of a server."""

    def __init__(
        self,
        *,
        trust_domain: str,
        denied: DeniedCertificates,
        live: LiveCalls,
        quotas: Quotas,
    ) -> None:
        self._trust_domain = trust_domain
        self._denied = denied
        self._live = live
        self._quotas = quotas
        self._handlers: dict[str, Handler] = {}  # bounded by the methods that exist

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The method's handler with everything around it; gRPC asks for it at each call."""
        name = handler_call_details.method
        if name not in self._handlers:
            inner = await continuation(handler_call_details)
            if inner is None:
                return None  # gRPC answers UNIMPLEMENTED
            self._handlers[name] = self._wrapped(name, inner)
        return self._handlers[name]

    def _wrapped(self, name: str, inner: Handler) -> Handler:
        method = Method(name, inner)

        async def serve(request: Any, context: Context) -> Any:
            return await self._serve(Served(method, context), request)

        make = _MAKERS[inner.request_streaming, inner.response_streaming]
        return make(serve, None, inner.response_serializer)  # served.take reads what comes

    async def _serve(self, served: Served, request: Any) -> Any:
        try:
            response = await self._handle(served, request)
            served.code = grpc.StatusCode.OK
            return response
        except grpc.aio.AbortError:  # a handler ended the call in gRPC's own way
            served.code = served.context.code()
            raise
        except (Exception, asyncio.CancelledError) as error:  # here every error finds its status
            fault = _fault_of(served, error)
            if fault is None:
                served.code = _code_of_leaving(served.context)
                raise
            await served.abort(fault)
        finally:
            served.record()

    async def _handle(self, served: Served, request: Any) -> Any:
        caller = served.admit(self._trust_domain, self._denied)
        if served.method.is_health and served.method.is_unary:
            return await self._answer(served, request, None)
        served.live = self._enter(served)
        is_stream = served.method.receives_stream
        quotas = self._quotas.of_caller(caller)
        try:
            if quotas is None:
                return await self._answer(served, request, None)
            quotas.begin(0 if is_stream else len(request), is_stream=is_stream)
            try:
                return await self._answer(served, request, quotas)
            finally:
                quotas.end(is_stream=is_stream)
        finally:
            self._live.leave(served.live)

    def _enter(self, served: Served) -> LiveCall:
        if served.method.is_health:
            return self._live.enter_health_watch(served.certificate)
        return self._live.enter(
            is_endless=served.method.only_sends,
            # Only streams last so long that their certificate may be withdrawn meanwhile.
            certificate=None if served.method.is_unary else served.certificate,
        )

    async def _answer(self, served: Served, request: Any, quotas: PartnerQuotas | None) -> Any:
        if not served.method.receives_stream:
            request = served.take(request)
            served.identify(request)
            return await _answer(served, request)
        served.identify(None)
        requests = Requests(served.context, served.take, self._live.draining, quotas)
        response = await _answer(served, requests)
        if requests.is_cut:
            raise shutting_down()
        return response


async def _answer(served: Served, request: Any) -> Any:
    """Runs the handler: to its response, or through all of its responses."""
    work = served.method.behavior(request, served.context)
    if hasattr(work, "__aiter__"):
        async with aclosing(work):
            async for message in work:
                await served.context.write(message)
                served.gave()
        return None
    response = await work
    if not served.method.sends_stream:  # else it wrote its responses itself, as gRPC's own do
        assert response is not None, f"{served.method.name} returned no response"
        served.gave()
    return response


def _fault_of(served: Served, error: BaseException) -> Fault | None:
    """What the client is told; None if it has left, or is cut off by a server that stops.

    A cancellation that nobody asked for is a defect of the handler's, and must become an answer:
    gRPC lets the client wait for ever for a handler that ends cancelled.
    """
    if served.live is not None and served.live.ended_by is not None:
        return served.live.ended_by
    task = asyncio.current_task()
    assert task is not None, "a handler runs in a task"
    if isinstance(error, asyncio.CancelledError) and task.cancelling():
        return None
    return fault_of(error)


def _code_of_leaving(context: Context) -> grpc.StatusCode:
    left_s = context.time_remaining()  # None without a deadline, as the stubs do not say
    # The client's clock runs out a moment before ours.
    expired = left_s is not None and left_s < 0.05
    return grpc.StatusCode.DEADLINE_EXCEEDED if expired else grpc.StatusCode.CANCELLED


_MAKERS: Mapping[tuple[bool, bool], Callable[..., Handler]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
