"""Platforms' notices on their way to intake, as they came, byte for byte.

Nothing is verified or read here. Notices that arrive within the same moment share a call. How a
notice came over HTTP, and how its answer goes back, is `callbacks`' and `door`'s.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import grpc
import structlog
from uuid_utils import uuid4
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import notification_service_pb2 as pb
from watersmeet.donations.v1 import notification_service_pb2_grpc as pb_grpc
from watersmeet.errors.v1 import errors_pb2

from services.gateway.http.gathering import Gatherer, GatherLimits
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error

_log = structlog.get_logger()

ROUTE = "/callbacks/{platform}"

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
# gathered, one is read and one is recorded. Fewer notices than _FEW are not worth a call more. What
# comes within the same moment is there when the loop has looked once more: no time is waited.
_CALLS = 3
_FEW = 32
_NOTICES_A_CALL = 64
_BYTES_A_CALL = 2 * 1024 * 1024
_GATHER_S = 0.0


class Notice(NamedTuple):
    """An HTTP request of a platform.

    target: the path and the query, undecoded. headers: in the order received.
    """

    platform: str
    request_id: str
    http_method: str
    target: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    @property
    def query(self) -> str:
        """What follows "?", undecoded: a signature may cover it."""
        return self.target.partition("?")[2]

    @property
    def size(self) -> int:
        """About as many bytes as it has in a message."""
        headers = sum(map(len, chain.from_iterable(self.headers))) + 4 * len(self.headers)
        return len(self.body) + len(self.target) + headers + 128


class Acknowledgement(NamedTuple):
    """Intake's answer, which is the platform's own form of acknowledgement.

    content_type: empty if there is no body. outcomes: what became of each report in the notice.
    """

    http_status: int
    content_type: str
    outcomes: str
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The headers that are its own."""
        headers = {"Content-Type": self.content_type} if self.content_type else {}
        return headers | {OUTCOMES: self.outcomes}


Answered = Callable[[Acknowledgement | BaseException], None]
"""Is told intake's answer, or the Fault that there is instead, or what else went wrong."""


@dataclass(frozen=True, slots=True)
class NoticeLimits:
    """at_once, bytes_at_once: of the notices under way; at least one notice's bytes. timeout_s: how
    long one may wait for intake's answer.
    """

    at_once: int
    bytes_at_once: int
    timeout_s: float


class Notices:
    """Passes notices on to intake."""

    def __init__(
        self, intake: "pb_grpc.NotificationServiceAsyncStub", limits: NoticeLimits
    ) -> None:
        self._intake = intake
        self._limits = limits
        self._gathered: Gatherer[Notice, Acknowledgement] = Gatherer(
            self._accept,
            GatherLimits(_CALLS, _FEW, _NOTICES_A_CALL, _BYTES_A_CALL, _GATHER_S, limits.timeout_s),
        )
        self.under_way = 0
        self._bytes = 0

    def enter(self, platform: str, size: int) -> None:
        """A notice has begun to arrive; it is to `leave` when it is answered.

        size: bytes that it may come to. Raises Fault(PLATFORM_UNKNOWN) if the platform's name is
        none, and Fault(QUEUE_FULL).
        """
        if not _PLATFORM.fullmatch(platform):
            raise Fault(
                Reason.PLATFORM_UNKNOWN, "no platform has such a name; see /callbacks/{platform}"
            )
        limits = self._limits
        if self.under_way >= limits.at_once or self._bytes + size > limits.bytes_at_once:
            raise Fault(
                Reason.QUEUE_FULL, "too many notices at once; send it again", retry_after=1.0
            )
        self.under_way += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        """It is answered, or its sender went. size: as it entered."""
        self.under_way -= 1
        self._bytes -= size

    def put(self, notice: Notice, answered: Answered) -> None:
        """Passes a notice on. Raises Fault(NOTIFICATION_MALFORMED), and calls nothing then."""
        _require_ascii(notice)
        self._gathered.put(notice, notice.size, answered)

    async def pass_on(self, notice: Notice) -> Acknowledgement:
        """Passes a notice on, and returns intake's answer.

        Raises Fault for what intake refuses, or cannot take now.
        """
        _require_ascii(notice)
        return await self._gathered.pass_on(notice, notice.size)

    async def _accept(self, notices: Sequence[Notice]) -> list[Acknowledgement | Fault]:
        """Intake's answer to each. A call that fails, fails for all that it carries."""
        message = pb.AcceptNotificationsRequest(request_id=str(uuid4()))
        for notice in notices:
            message.notifications.add(
                platform=notice.platform,
                request_id=notice.request_id,
                http_method=notice.http_method,
                query=notice.query,
                # Each byte of a header as one character, whatever the platform meant by it.
                header_names=[name.decode("latin-1") for name, _ in notice.headers],
                header_values=[value.decode("latin-1") for _, value in notice.headers],
                body=notice.body,
            )
        try:
            answer = await self._intake.AcceptNotifications(message, timeout=self._limits.timeout_s)
        except grpc.aio.AioRpcError as error:
            return [fault_from_rpc_error(error) for _ in notices]
        return _answers_of(answer.results)


def for_the_world(fault: Fault, request_id: str) -> Fault:
    """What a platform may be told of a notice's fault."""
    if fault.reason not in _AWAY:
        return fault
    _log.warning("intake is away", error=fault.message[:500], request_id=request_id)
    return Fault(
        fault.reason,
        "the notice could not be taken in now; send it again, nothing is counted twice",
        retry_after=fault.retry_after,
    )


def _require_ascii(notice: Notice) -> None:
    if not notice.target.isascii():
        raise Fault(
            Reason.NOTIFICATION_MALFORMED, "a query string is ASCII; percent-encode the rest"
        )


def _answers_of(results: Iterable[pb.NotificationResult]) -> list[Acknowledgement | Fault]:
    """Intake's answers. It acknowledges nearly all notices of a call alike: those are read once."""
    known: dict[bytes, Acknowledgement] = {}
    answers: list[Acknowledgement | Fault] = []
    for result in results:
        data = result.SerializeToString()
        answer = known.get(data) or _answer_of(result)
        if isinstance(answer, Acknowledgement):
            known[data] = answer
        answers.append(answer)
    return answers


def _answer_of(result: pb.NotificationResult) -> Acknowledgement | Fault:
    if not result.HasField("acknowledgement"):
        return _refusal(result)
    told = result.acknowledgement
    if not 200 <= told.http_status <= 599:
        return Fault(Reason.INTERNAL, f"intake answered with HTTP status {told.http_status}")
    if not told.content_type.isprintable():  # it would end its header's line
        return Fault(Reason.INTERNAL, "intake answered with a content type that is none")
    # An intake that is newer than this gateway may know further ones.
    names = [_OUTCOME_NAMES.get(outcome, "UNSPECIFIED") for outcome in told.outcomes]
    return Acknowledgement(told.http_status, told.content_type, ", ".join(names), told.body)


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
