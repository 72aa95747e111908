"""Platforms' notices: /callbacks/{platform}, passed on to intake as they came, byte for byte.

Nothing is verified or read here. Notices that arrive within the same moment share a call. Intake's
answer, which is the platform's own form of acknowledgement, goes back the same way.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import grpc
import structlog
from aiohttp import web
from multidict import CIMultiDict
from uuid_utils import uuid4
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import notification_service_pb2 as pb
from watersmeet.donations.v1 import notification_service_pb2_grpc as pb_grpc
from watersmeet.errors.v1 import errors_pb2

from services.gateway.http.exchange import REQUEST_ID
from services.gateway.http.gathering import Gatherer, GatherLimits
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error

_log = structlog.get_logger()

BODY_BYTES_MAX = 1 << 20
"""The contract of AcceptNotifications says so."""

OUTCOMES = "Watersmeet-Outcomes"
"""What became of each report in the notice. Platforms ignore it; people looking on do not."""

_OUTCOME_NAMES = {
    number: name.removeprefix("OUTCOME_") for name, number in intake_pb.Outcome.items()
}

_PLATFORM = re.compile(r"[a-z0-9._-]{1,64}")

# What these faults say of the inside of the mesh is for the log, not for the world.
_AWAY = frozenset({Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.SHUTTING_DOWN})

# Of one call to intake: below its limits of 128 notices and 4 MiB. Three calls at once: one is
# gathered, one is read and one is recorded.
_CALLS = 3
_NOTICES_A_CALL = 64
_BYTES_A_CALL = 2 * 1024 * 1024
_GATHER_S = 0.001

# Different answers' headers that are kept ready; there is about one a platform.
_ANSWERS_MAX = 64

if TYPE_CHECKING:
    _AnswerKind = tuple[str, tuple[intake_pb.Outcome.ValueType, ...]]


class Callbacks:
    """Forwards notices to intake."""

    def __init__(
        self,
        intake: "pb_grpc.NotificationServiceAsyncStub",
        *,
        at_once_max: int,
        body_s: float,
        timeout_s: float,
    ) -> None:
        """at_once_max: notices under way. body_s: how long a platform may take to send a body.
        timeout_s: how long a notice may wait for intake's answer.
        """
        self._intake = intake
        self._at_once_max = at_once_max
        self._body_s = body_s
        self._timeout_s = timeout_s
        self._under_way = 0
        self._headers: dict[_AnswerKind, CIMultiDict[str]] = {}
        self._notices = Gatherer(
            self._accept,
            GatherLimits(_CALLS, _NOTICES_A_CALL, _BYTES_A_CALL, _GATHER_S, timeout_s),
        )

    @property
    def under_way(self) -> int:
        """Notices that have arrived and are not answered."""
        return self._under_way

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
        request_id, body = request[REQUEST_ID], await self._body(request)
        # Each byte of a header as one character, whatever the platform meant by it.
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in request.raw_headers]
        notice = pb.Notification(
            platform=platform,
            request_id=request_id,
            http_method=request.method,
            query=_query(request),
            header_names=[name for name, _ in headers],
            header_values=[value for _, value in headers],
            body=body,
        )
        try:
            answer = await self._notices.pass_on(notice, notice.ByteSize())
        except Fault as fault:
            raise _for_the_world(fault, request_id) from fault
        return self._acknowledgement(answer)

    async def _accept(
        self, notices: Sequence[pb.Notification]
    ) -> list[pb.NotificationAcknowledgement | Fault]:
        """Intake's answer to each. A call that fails, fails for all that it carries."""
        message = pb.AcceptNotificationsRequest(request_id=str(uuid4()), notifications=notices)
        try:
            answer = await self._intake.AcceptNotifications(message, timeout=self._timeout_s)
        except grpc.aio.AioRpcError as error:
            return [fault_from_rpc_error(error) for _ in notices]
        return [
            result.acknowledgement if result.HasField("acknowledgement") else _refusal(result)
            for result in answer.results
        ]

    async def _body(self, request: web.Request) -> bytes:
        """The body as it came. Raises Fault(MESSAGE_TOO_LARGE), HTTPRequestTimeout."""
        if (request.content_length or 0) > BODY_BYTES_MAX:
            raise _too_large()
        if request.content.is_eof():  # all of it is here, as nearly always
            whole = request.content.read_nowait()
            if len(whole) > BODY_BYTES_MAX:
                raise _too_large()
            return whole
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

    def _acknowledgement(self, answer: pb.NotificationAcknowledgement) -> web.Response:
        if not 200 <= answer.http_status <= 599:
            raise Fault(Reason.INTERNAL, f"intake answered with HTTP status {answer.http_status}")
        key = answer.content_type, tuple(answer.outcomes)
        headers = self._headers.get(key)
        if headers is None:
            headers = _headers(*key)
            if len(self._headers) < _ANSWERS_MAX:
                self._headers[key] = headers
        return web.Response(status=answer.http_status, body=answer.body, headers=headers)


def _query(request: web.Request) -> str:
    """What follows "?", undecoded: a signature may cover it."""
    query = request.raw_path.partition("?")[2]
    if not query.isascii():
        raise Fault(
            Reason.NOTIFICATION_MALFORMED, "a query string is ASCII; percent-encode the rest"
        )
    return query


def _headers(
    content_type: str, outcomes: "Sequence[intake_pb.Outcome.ValueType]"
) -> CIMultiDict[str]:
    headers: Mapping[str, str] = {"Content-Type": content_type} if content_type else {}
    # An intake that is newer than this gateway may know further ones.
    names = ", ".join(_OUTCOME_NAMES.get(outcome, "UNSPECIFIED") for outcome in outcomes)
    return CIMultiDict({**headers, OUTCOMES: names})


def _refusal(result: pb.NotificationResult) -> Fault:
    """Why intake did not take a notice in."""
    problem, delay = result.refusal.problem, result.refusal.retry_delay
    name = errors_pb2.ErrorReason.Name(problem.reason).removeprefix("ERROR_REASON_")
    if name not in Reason.__members__:  # UNSPECIFIED: intake answered nothing that is known here
        return Fault(Reason.INTERNAL, "intake refused a notice without a reason")
    retry_after = None
    if result.refusal.HasField("retry_delay"):
        retry_after = delay.seconds + delay.nanos / 1e9
    fault = Fault(Reason(name), problem.message, retry_after=retry_after)
    fault.metadata.update(problem.metadata)
    return fault


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
