"""NotificationService: convert, call, convert."""

from typing import Any

import structlog
from watersmeet.donations.v1 import notification_service_pb2 as pb
from watersmeet.donations.v1 import notification_service_pb2_grpc as pb_grpc

from services.donations.desks.notices import Accepted, NoticeDesk
from services.donations.wire import convert_notices
from services.runtime.errors import Fault, Reason
from services.runtime.faults import fault_of

_log = structlog.get_logger()


class NotificationService(pb_grpc.NotificationServiceServicer):
    """The handler. What it does and which errors it has stands in the proto."""

    def __init__(self, desk: NoticeDesk) -> None:
        self._desk = desk

    async def AcceptNotifications(
        self, request: pb.AcceptNotificationsRequest, _context: Any
    ) -> pb.AcceptNotificationsResponse:
        results = await self._desk.accept_all(convert_notices.notices_of(request))
        return convert_notices.results_message(
            _told(notification, result)
            for notification, result in zip(request.notifications, results, strict=True)
        )


def _told(notification: pb.Notification, result: Accepted | Exception) -> Accepted | Fault:
    """What the gateway is told. A refusal is in the log under its own request's id."""
    if not isinstance(result, Exception):
        return result
    fault = fault_of(result)
    _log.info(
        "a notice was refused",
        # One that is not configured is a piece of somebody's address, and may be anything.
        platform=None if fault.reason is Reason.PLATFORM_UNKNOWN else notification.platform,
        reason=fault.reason.value,
        request_id=notification.request_id,
    )
    return fault
