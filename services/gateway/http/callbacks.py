"""Platforms' notices: /callbacks/{platform}, passed on to intake as they came, byte for byte.

Nothing is verified or read here. Intake's answer, which is the platform's own form of
acknowledgement, goes back the same way.
"""

import asyncio
import re

import grpc
import structlog
from aiohttp import web
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as pb_grpc

from services.gateway.http.exchange import REQUEST_ID
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error

_log = structlog.get_logger()

BODY_BYTES_MAX = 1 << 20
"""The contract of AcceptNotification says so."""

OUTCOMES = "Watersmeet-Outcomes"
"""What became of each report in the notice. Platforms ignore it; people looking on do not."""

_OUTCOME_NAMES = {number: name.removeprefix("OUTCOME_") for name, number in pb.Outcome.items()}

_PLATFORM = re.compile(r"[a-z0-9._-]{1,64}")

# What these faults say of the inside of the mesh is for the log, not for the world.
_AWAY = frozenset({Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.SHUTTING_DOWN})


class Callbacks:
    """Forwards notices to intake."""

    def __init__(
        self,
        intake: "pb_grpc.DonationIntakeServiceAsyncStub",
        *,
        at_once_max: int,
        body_s: float,
        timeout_s: float,
    ) -> None:
        """at_once_max: notices under way. body_s: how long a platform may take to send a body.
        timeout_s: how long intake may take.
        """
        self._intake = intake
        self._at_once_max = at_once_max
        self._body_s = body_s
        self._timeout_s = timeout_s
        self._under_way = 0

    async def accept(self, request: web.Request) -> web.Response:
        """Takes one notice in. Raises Fault for what intake refuses, or cannot take now."""
        platform = request.match_info["platform"]
        if not _PLATFORM.fullmatch(platform):
            raise Fault(
                Reason.PLATFORM_UNKNOWN, "no platform has such a name; see /callbacks/{platform}"
            )
        if self._under_way >= self._at_once_max:
            raise Fault(
                Reason.QUEUE_FULL, "too many notices at once; send it again", retry_after=1.0
            )
        self._under_way += 1
        try:
            return await self._forward(request, platform)
        finally:
            self._under_way -= 1

    async def _forward(self, request: web.Request, platform: str) -> web.Response:
        notice = pb.AcceptNotificationRequest(
            platform=platform,
            http_method=request.method,
            query=_query(request),
            # Each byte of a header as one character, whatever the platform meant by it.
            headers=[
                pb.HttpHeader(name=name.decode("latin-1"), value=value.decode("latin-1"))
                for name, value in request.raw_headers
            ],
            body=await self._body(request),
        )
        request_id = request[REQUEST_ID]
        try:
            answer = await self._intake.AcceptNotification(
                notice, timeout=self._timeout_s, metadata=(("x-request-id", request_id),)
            )
        except grpc.aio.AioRpcError as error:
            raise _for_the_world(fault_from_rpc_error(error), request_id) from error
        return _acknowledgement(answer)

    async def _body(self, request: web.Request) -> bytes:
        """The body as it came. Raises Fault(MESSAGE_TOO_LARGE), HTTPRequestTimeout."""
        if (request.content_length or 0) > BODY_BYTES_MAX:
            raise _too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > BODY_BYTES_MAX:
                        raise _too_large()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        return bytes(body)


def _query(request: web.Request) -> str:
    """What follows "?", undecoded: a signature may cover it."""
    query = request.raw_path.partition("?")[2]
    if not query.isascii():
        raise Fault(
            Reason.NOTIFICATION_MALFORMED, "a query string is ASCII; percent-encode the rest"
        )
    return query


def _acknowledgement(answer: pb.AcceptNotificationResponse) -> web.Response:
    if not 200 <= answer.http_status <= 599:
        raise Fault(Reason.INTERNAL, f"intake answered with HTTP status {answer.http_status}")
    headers = {"Content-Type": answer.content_type} if answer.content_type else {}
    # An intake that is newer than this gateway may know further ones.
    headers[OUTCOMES] = ", ".join(_OUTCOME_NAMES.get(o, "UNSPECIFIED") for o in answer.outcomes)
    return web.Response(status=answer.http_status, body=answer.body, headers=headers)


def _for_the_world(fault: Fault, request_id: str) -> Fault:
    if fault.reason not in _AWAY:
        return fault
    _log.warning("intake is away", error=fault.message[:500], request_id=request_id)
    return Fault(
        fault.reason,
        "the notice could not be taken in now; send it again, nothing is counted twice",
        retry_after=fault.retry_after,
    )


def _too_large() -> Fault:
    return Fault(
        Reason.MESSAGE_TOO_LARGE, f"a notice has at most {BODY_BYTES_MAX:,} bytes; this has more"
    )
