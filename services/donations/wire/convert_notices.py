"""NotificationService's messages and the domain."""

import math
from collections.abc import Iterable
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from watersmeet.donations.v1 import notification_service_pb2 as pb

from services.donations.desks.notices import Accepted
from services.donations.domain import Outcome
from services.donations.platforms.protocol import Acknowledgement, Notice
from services.donations.wire.convert import outcome_value, problem_of
from services.runtime.errors import Fault, Reason

NOTICES_MAX = 128
"""The most notices of one call."""


def notices_of(request: pb.AcceptNotificationsRequest) -> list[tuple[str, Notice]]:
    """The platforms' HTTP requests, each with its platform's code. Raises Fault(FIELD_INVALID)."""
    notifications = request.notifications
    if not 1 <= len(notifications) <= NOTICES_MAX:
        raise Fault(
            Reason.FIELD_INVALID,
            f"there are {len(notifications)} notifications; send 1 to {NOTICES_MAX}",
            field="notifications",
        )
    return [(notification.platform, _notice_of(notification)) for notification in notifications]


def _notice_of(notification: pb.Notification) -> Notice:
    names, values = notification.header_names, notification.header_values
    if len(names) != len(values):
        raise Fault(
            Reason.FIELD_INVALID,
            f"a notification has {len(names)} header_names and {len(values)} header_values",
            field="header_values",
        )
    return Notice.received(
        notification.http_method,
        notification.query,
        zip(names, values, strict=True),
        notification.body,
    )


def results_message(results: Iterable[Accepted | Fault]) -> pb.AcceptNotificationsResponse:
    """What became of the notices, in their order."""
    return pb.AcceptNotificationsResponse(results=map(_result, results))


def _result(result: Accepted | Fault) -> pb.NotificationResult:
    if isinstance(result, Fault):
        return pb.NotificationResult(
            refusal=pb.NotificationRefusal(
                problem=problem_of(result),
                retry_delay=_duration(result.retry_after),
            )
        )
    return _acknowledged(result.acknowledgement, tuple(result.outcomes))


# A platform answers nearly all notices alike. Whoever puts the message into another copies it.
@lru_cache(maxsize=256)
def _acknowledged(answer: Acknowledgement, outcomes: tuple[Outcome, ...]) -> pb.NotificationResult:
    return pb.NotificationResult(
        acknowledgement=pb.NotificationAcknowledgement(
            http_status=answer.http_status,
            content_type=answer.content_type,
            body=answer.body,
            outcomes=map(outcome_value, outcomes),
        )
    )


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    nanos = math.ceil(max(seconds, 0.0) * 1e9)
    return Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
