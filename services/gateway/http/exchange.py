"""What happens to every HTTP request around its handler.

admit     so many at once
handler
errors    any exception to an answer                   answers
headers   what browsers are to believe of the answer
send      within a time
record    one log line, and the metrics                metrics
"""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import lru_cache

import structlog
from aiohttp import web
from prometheus_client import Counter
from uuid_utils import uuid4  # a tenth of the standard library's price

from services.gateway.http.answers import fault_answer
from services.gateway.metrics import HTTP_REQUESTS, HTTP_SECONDS
from services.runtime.deadlines import Deadlines
from services.runtime.errors import Fault, Reason
from services.runtime.logs import log_request

_log = structlog.get_logger()

REQUEST_ID = web.RequestKey("request_id", str)
"""A UUID of the request, under which its answer, its log lines and its calls are found."""

FAULT = web.RequestKey("fault", Fault)
"""What the request failed with, if it did."""

SECURITY_HEADERS: Mapping[str, str] = {
    # The page runs its own script and style, asks its own server, and does nothing else.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "watersmeet",
}

_METHODS = frozenset({"GET", "HEAD", "POST"})
CLIENT_WENT = 499
"""No answer was sent; the code that proxies write into their logs for it."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Exchange:
    """The one middleware."""

    def __init__(self, *, requests_max: int, answer_s: float, apart: Collection[str]) -> None:
        """requests_max: at once, but for the routes that are bounded apart: readers must not keep
        platforms' notices out. answer_s: how long a client may take to take an answer.
        """
        self._requests_max = requests_max
        self._sending: Deadlines[_Sending] = Deadlines(answer_s, _Sending.end)
        self._apart = apart
        self._requests = 0

    @web.middleware
    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """From a request's headers to the last byte of its answer."""
        started = time.perf_counter()
        request[REQUEST_ID] = str(uuid4())
        status = CLIENT_WENT
        counted = _route(request) not in self._apart
        self._requests += counted
        try:
            answer = await self._answer(request, handler, counted=counted)
            answer.headers.update(SECURITY_HEADERS)
            answer.headers["X-Request-Id"] = request[REQUEST_ID]
            if await self._send(request, answer):
                status = answer.status
            return answer
        finally:
            self._requests -= counted
            seconds = time.perf_counter() - started
            fault = request.get(FAULT)
            record(request.method, _route(request), status, seconds, request[REQUEST_ID], fault)

    async def _answer(
        self, request: web.Request, handler: Handler, *, counted: bool
    ) -> web.StreamResponse:
        try:
            if counted and self._requests > self._requests_max:
                raise Fault(Reason.QUEUE_FULL, "too many requests at once; ask again in a second")
            return await handler(request)
        except Fault as fault:
            request[FAULT] = fault
            return fault_answer(fault)
        except web.HTTPException as error:
            return _http_answer(request, error)
        except (ConnectionError, web.RequestPayloadError):
            raise ConnectionResetError from None  # the client went while it was sending
        except Exception:  # noqa: BLE001  here every error finds its answer
            _log.exception("defect", request_id=request[REQUEST_ID])
            request[FAULT] = Fault(Reason.INTERNAL, "defect")
            return fault_answer(request[FAULT])

    async def _send(self, request: web.Request, answer: web.StreamResponse) -> bool:
        """Whether the client took the answer."""
        sending = _Sending(request)
        self._sending.add(sending)
        try:
            await answer.prepare(request)
            await answer.write_eof()
        except ConnectionError:
            return False
        finally:
            self._sending.discard(sending)
        return not sending.is_late


class _Sending:
    """An answer on its way."""

    __slots__ = ("is_late", "request")

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.is_late = False

    def end(self) -> None:
        """Its client takes too long: whoever waits for him learns that he is gone."""
        self.is_late = True
        if self.request.transport is not None:
            self.request.transport.abort()


_HTTP_FAULTS: Mapping[int, tuple[Reason, str]] = {
    404: (
        Reason.FIELD_INVALID,
        "there is nothing here; see /, /v1/totals, /v1/log/checkpoint, /healthz and /callbacks/…",
    ),
    405: (Reason.FIELD_INVALID, "this path does not take this method; the header Allow says which"),
    408: (Reason.DEADLINE_EXCEEDED, "the body took too long to arrive; send it again"),
}


def _http_answer(request: web.Request, error: web.HTTPException) -> web.Response:
    """What has a status of HTTP's own: above all, that there is no such path or method."""
    reason, message = _HTTP_FAULTS.get(error.status, (Reason.FIELD_INVALID, error.reason))
    request[FAULT] = Fault(reason, message)
    answer = fault_answer(request[FAULT], error.status)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def record(
    method: str, route: str, status: int, seconds: float, request_id: str, fault: Fault | None
) -> None:
    """One line, and the metrics: no query string, no body, no address of a person.

    status: CLIENT_WENT if no answer was sent.
    """
    method = method if method in _METHODS else "other"
    _counter(route, method, status).inc()
    _observe(route)(seconds)
    log_request(method, route, status, fault.reason.value if fault else "OK", seconds, request_id)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


# Looking a metric's labels up costs more than counting. Routes, methods and statuses are few.
@lru_cache(maxsize=256)
def _counter(route: str, method: str, status: int) -> Counter:
    return HTTP_REQUESTS.labels(route, method, str(status))


@lru_cache(maxsize=64)
def _observe(route: str) -> Callable[[float], None]:
    return HTTP_SECONDS.labels(route).observe
