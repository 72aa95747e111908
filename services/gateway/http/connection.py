"""One client's connection, at the level of bytes: what is no HTTP, and what is one too many."""

import asyncio

import structlog
from aiohttp import web

from services.gateway.http.answers import fault_answer
from services.gateway.http.exchange import SECURITY_HEADERS
from services.gateway.metrics import HTTP_REFUSED, HTTP_REQUESTS
from services.runtime.errors import Fault, Reason

_log = structlog.get_logger()

LINE_BYTES_MAX = 8_190
HEADERS_MAX = 100


class Connection(web.RequestHandler):
    """aiohttp's connection, which says less of what it could not read.

    Its own answer and its own log line would quote the request, and name the sender.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  quotes the request
    ) -> web.StreamResponse:
        """The answer to what could not be read; then the connection is closed."""
        if request.writer.output_size > 0:
            raise ConnectionResetError  # too late for another answer
        HTTP_REQUESTS.labels("none", "other", str(status)).inc()
        if status == 500:
            _log.error("defect", exc_info=exc)
            fault = Fault(Reason.INTERNAL, "defect")
        else:
            fault = Fault(Reason.FIELD_INVALID, "this is no HTTP request within the limits")
        answer = fault_answer(fault, status)
        answer.headers.update(SECURITY_HEADERS)
        answer.force_close()
        return answer


class Refused(asyncio.Protocol):
    """A connection beyond the limit: closed before anything is read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Closes it."""
        HTTP_REFUSED.inc()
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
