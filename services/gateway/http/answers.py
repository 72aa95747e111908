"""Faults as HTTP answers."""

import json
import math
from collections.abc import Mapping

from aiohttp import web

from services.runtime.errors import Fault, Reason

_STATUS: Mapping[Reason, int] = {
    Reason.FIELD_REQUIRED: 400,
    Reason.FIELD_INVALID: 400,
    Reason.NOTIFICATION_MALFORMED: 400,
    Reason.AMOUNT_NOT_POSITIVE: 400,
    Reason.AMOUNT_OVER_LIMIT: 400,
    Reason.CURRENCY_UNKNOWN: 400,
    Reason.CURRENCY_MISMATCH: 400,
    Reason.EVENT_TIME_IN_FUTURE: 400,
    Reason.SIGNATURE_INVALID: 401,
    Reason.TIMESTAMP_STALE: 401,
    Reason.RECIPIENT_MISMATCH: 403,
    Reason.PLATFORM_UNKNOWN: 404,
    Reason.CHECKPOINT_NOT_FOUND: 404,
    Reason.ENTRY_NOT_FOUND: 404,
    Reason.ENTRY_NOT_IN_LOG: 404,
    Reason.MESSAGE_TOO_LARGE: 413,
    Reason.QUEUE_FULL: 429,
    Reason.RATE_LIMITED: 429,
    # Whoever sends again later, which platforms do, loses nothing.
    Reason.DEPENDENCY_UNAVAILABLE: 503,
    Reason.DEADLINE_EXCEEDED: 503,
    Reason.OUTCOME_UNKNOWN: 503,
    Reason.SHUTTING_DOWN: 503,
    Reason.TOTALS_NOT_READY: 503,
}
"""Any other reason is a defect between the gateway and its mesh, not the client's doing: 500."""

_RETRY_AFTER_S = 1.0


def status_of(reason: Reason) -> int:
    """The HTTP status that a reason is answered with."""
    return _STATUS.get(reason, 500)


def fault_answer(fault: Fault, status: int | None = None) -> web.Response:
    """{"code": "FAIL", "reason": …, "message": …}, and Retry-After where a retry makes sense.

    status: instead of the reason's own.
    """
    status = status or status_of(fault.reason)
    if status == 500:
        # What went wrong inside is in the log, under the request's id.
        fault = Fault(Reason.INTERNAL, "the server failed; X-Request-Id finds it in its log")
    body = {"code": "FAIL", "reason": fault.reason.value, "message": fault.message}
    answer = json_answer(body, status)
    answer.headers["Cache-Control"] = "no-store"
    if status in (429, 503):
        answer.headers["Retry-After"] = str(math.ceil(fault.retry_after or _RETRY_AFTER_S))
    return answer


def json_answer(body: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, body=encode(body), content_type="application/json")


def encode(body: object) -> bytes:
    """JSON in UTF-8, nothing escaped that need not be."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
