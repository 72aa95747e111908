"""Faults on the wire: google.rpc.Status from a Fault, and a Fault from a failed call."""

import math
from collections.abc import Iterable, Mapping
from typing import cast

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from services.runtime.errors import Fault, Reason

DOMAIN = "watersmeet"
"""The ErrorInfo domain of every reason in watersmeet.errors.v1."""

DETAILS_KEY = "grpc-status-details-bin"
"""The trailing metadata key under which gRPC carries a google.rpc.Status."""

# gRPC may refuse trailing metadata beyond 8 KiB, and what is not ASCII takes three times its size
# there: a fault that quotes its input must stay well below.
_MESSAGE_BYTES_MAX = 512
_VALUE_BYTES_MAX = 256

_Code = grpc.StatusCode

CODES: Mapping[Reason, grpc.StatusCode] = {
    Reason.IDENTITY_UNKNOWN: _Code.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: _Code.PERMISSION_DENIED,
    Reason.PARTNER_MISMATCH: _Code.PERMISSION_DENIED,
    Reason.CERTIFICATE_DENIED: _Code.UNAUTHENTICATED,
    Reason.REQUEST_ID_INVALID: _Code.INVALID_ARGUMENT,
    Reason.FIELD_REQUIRED: _Code.INVALID_ARGUMENT,
    Reason.FIELD_INVALID: _Code.INVALID_ARGUMENT,
    Reason.PAGE_TOKEN_INVALID: _Code.INVALID_ARGUMENT,
    Reason.MESSAGE_TOO_LARGE: _Code.RESOURCE_EXHAUSTED,
    Reason.DEADLINE_EXCEEDED: _Code.DEADLINE_EXCEEDED,
    Reason.AMOUNT_NOT_POSITIVE: _Code.INVALID_ARGUMENT,
    Reason.AMOUNT_OVER_LIMIT: _Code.INVALID_ARGUMENT,
    Reason.CURRENCY_UNKNOWN: _Code.INVALID_ARGUMENT,
    Reason.CURRENCY_MISMATCH: _Code.INVALID_ARGUMENT,
    Reason.EVENT_TIME_IN_FUTURE: _Code.INVALID_ARGUMENT,
    Reason.BATCH_COLUMNS_UNEQUAL: _Code.INVALID_ARGUMENT,
    Reason.BATCH_SIZE_INVALID: _Code.INVALID_ARGUMENT,
    Reason.CONTROL_TOTALS_MISMATCH: _Code.INVALID_ARGUMENT,
    Reason.STREAM_OFFSET_GAP: _Code.OUT_OF_RANGE,
    Reason.STREAM_NOT_OPENED: _Code.FAILED_PRECONDITION,
    Reason.DONATION_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.REFUND_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.DONATION_NOT_FOUND: _Code.NOT_FOUND,
    Reason.DISPUTE_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.STAGE_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.RAIL_TAKEN: _Code.ALREADY_EXISTS,
    Reason.RAIL_MISMATCH: _Code.ALREADY_EXISTS,
    Reason.REPORTS_EXCEEDED: _Code.FAILED_PRECONDITION,
    Reason.ALLOCATION_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.PLATFORM_UNKNOWN: _Code.NOT_FOUND,
    Reason.NOTIFICATION_MALFORMED: _Code.INVALID_ARGUMENT,
    Reason.SIGNATURE_INVALID: _Code.UNAUTHENTICATED,
    Reason.TIMESTAMP_STALE: _Code.UNAUTHENTICATED,
    Reason.RECIPIENT_MISMATCH: _Code.PERMISSION_DENIED,
    Reason.NOTICE_NOT_FOUND: _Code.NOT_FOUND,
    Reason.CHARITY_NOT_FOUND: _Code.NOT_FOUND,
    Reason.PROJECT_NOT_FOUND: _Code.NOT_FOUND,
    Reason.CAMPAIGN_NOT_FOUND: _Code.NOT_FOUND,
    Reason.CODE_TAKEN: _Code.ALREADY_EXISTS,
    Reason.CERTIFICATE_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.PROJECT_CLOSED: _Code.FAILED_PRECONDITION,
    Reason.ACCOUNT_NOT_FOUND: _Code.NOT_FOUND,
    Reason.ACCOUNT_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.ACCOUNT_NOT_IN_CHART: _Code.INVALID_ARGUMENT,
    Reason.ENTRY_NOT_FOUND: _Code.NOT_FOUND,
    Reason.ENTRY_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.SEQUENCE_AHEAD: _Code.OUT_OF_RANGE,
    Reason.BALANCE_OVERFLOW: _Code.FAILED_PRECONDITION,
    Reason.LEDGER_STANDBY: _Code.UNAVAILABLE,
    Reason.UNIT_MISMATCH: _Code.INVALID_ARGUMENT,
    Reason.ACCOUNT_FROZEN: _Code.FAILED_PRECONDITION,
    Reason.ACCOUNT_CLOSED: _Code.FAILED_PRECONDITION,
    Reason.ACCOUNT_NOT_EMPTY: _Code.FAILED_PRECONDITION,
    Reason.LIMIT_EXCEEDED: _Code.FAILED_PRECONDITION,
    Reason.HOLD_NOT_FOUND: _Code.NOT_FOUND,
    Reason.HOLD_ENDED: _Code.FAILED_PRECONDITION,
    Reason.HOLD_EXCEEDED: _Code.FAILED_PRECONDITION,
    Reason.NOT_REVERSIBLE: _Code.FAILED_PRECONDITION,
    Reason.REVERSAL_EXCEEDED: _Code.FAILED_PRECONDITION,
    Reason.STEP_MISMATCH: _Code.INVALID_ARGUMENT,
    Reason.PERIOD_CLOSED: _Code.FAILED_PRECONDITION,
    Reason.PERIOD_NOT_OVER: _Code.FAILED_PRECONDITION,
    Reason.PERIOD_STATE_CONFLICT: _Code.FAILED_PRECONDITION,
    Reason.SECOND_PERSON_REQUIRED: _Code.PERMISSION_DENIED,
    Reason.QUEUE_FULL: _Code.RESOURCE_EXHAUSTED,
    Reason.DEPENDENCY_UNAVAILABLE: _Code.UNAVAILABLE,
    Reason.TOTALS_NOT_READY: _Code.UNAVAILABLE,
    Reason.OUTCOME_UNKNOWN: _Code.UNKNOWN,
    Reason.INTERNAL: _Code.INTERNAL,
    Reason.SHUTTING_DOWN: _Code.UNAVAILABLE,
    Reason.RATE_LIMITED: _Code.RESOURCE_EXHAUSTED,
    Reason.DONOR_NOT_FOUND: _Code.NOT_FOUND,
    Reason.DONOR_ERASED: _Code.FAILED_PRECONDITION,
    Reason.DONOR_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.DONOR_KEY_MISSING: _Code.FAILED_PRECONDITION,
    Reason.PLEDGE_NOT_FOUND: _Code.NOT_FOUND,
    Reason.PLEDGE_NOT_IN_FORCE: _Code.FAILED_PRECONDITION,
    Reason.PLEDGE_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.ORDER_CONFLICT: _Code.ALREADY_EXISTS,
    Reason.ORDER_NOT_FOUND: _Code.NOT_FOUND,
    Reason.CHECKPOINT_NOT_FOUND: _Code.NOT_FOUND,
    Reason.ENTRY_NOT_IN_LOG: _Code.FAILED_PRECONDITION,
}


def code_of(reason: Reason) -> grpc.StatusCode:
    """The status code that calls failing for this reason end with."""
    return CODES[reason]


def rich_status(fault: Fault, request_id: str) -> status_pb2.Status:
    """What a failed call carries: ErrorInfo always; BadRequest where the fault names a field;
    RetryInfo where it says when to retry. INTERNAL also says the request id to look for.
    """
    metadata = {key: _cut(value, _VALUE_BYTES_MAX) for key, value in fault.metadata.items()}
    if fault.reason is Reason.INTERNAL:
        metadata["request_id"] = request_id
    status = status_pb2.Status(
        code=code_of(fault.reason).value[0], message=_cut(fault.message, _MESSAGE_BYTES_MAX)
    )
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=fault.reason, domain=DOMAIN, metadata=metadata)
    )
    if field := metadata.get("field"):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=field, description=status.message
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if fault.retry_after is not None:
        status.details.add().Pack(
            error_details_pb2.RetryInfo(retry_delay=_duration(fault.retry_after))
        )
    return status


def fault_from_rpc_error(error: grpc.RpcError) -> Fault:
    """What a failed call to another Watersmeet service was about.

    Without an ErrorInfo of ours, which is how the transport itself fails, the status code decides.
    """
    code: grpc.StatusCode = error.code()
    details: str = error.details() or ""
    status = _status_of(error)
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    has_info = _unpack(status, info) and info.domain == DOMAIN and info.reason in Reason.__members__
    retry_after = (
        retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        if _unpack(status, retry)
        else None
    )
    if not has_info:
        return _transport_fault(code, details, retry_after)
    fault = Fault(Reason(info.reason), details, retry_after=retry_after)
    fault.metadata = dict(info.metadata)
    return fault


# What is said of a stream whose connection broke, whatever the code. The last is grpc.aio's word
# for a stream that the server ended while a message was being written to it; now and then it
# forgets the server's own status over it (https://github.com/grpc/grpc/issues/36066). The next try
# learns it.
_BROKEN_STREAM = ("rst_stream", "stream removed", "goaway", "internal error from core")


def _transport_fault(code: grpc.StatusCode, details: str, retry_after: float | None) -> Fault:
    words = details.lower()
    if code is _Code.DEADLINE_EXCEEDED:
        reason = Reason.DEADLINE_EXCEEDED
        message = "the call's time ran out; repeat it with the same ids to learn its outcome"
    elif code is _Code.RESOURCE_EXHAUSTED and "larger than max" in words:
        reason = Reason.MESSAGE_TOO_LARGE
        message = f"a message is larger than the transport carries; send smaller ones ({details})"
    elif code is _Code.RESOURCE_EXHAUSTED:
        reason = Reason.QUEUE_FULL
        message = f"the server has no room for the call now; try again in a moment ({details})"
    elif code is _Code.UNAVAILABLE or any(word in words for word in _BROKEN_STREAM):
        reason, message = Reason.DEPENDENCY_UNAVAILABLE, _unavailable(details)
    else:
        reason, message = Reason.INTERNAL, f"the call failed with {code.name}: {details}"
    return Fault(reason, message, retry_after=retry_after)


def _unavailable(details: str) -> str:
    """A refused handshake reaches a gRPC client as a connection that broke (see server.py)."""
    lowered = details.lower()
    if "certificate_verify_failed" in lowered or "hostname verification" in lowered:
        return (
            "the server is not believed: its certificate is expired, of another authority, or does "
            "not name the host that was called; check the address and the authority's file "
            f"({details})"
        )
    if any(word in lowered for word in ("socket closed", "handshake", "ssl", "certificate")):
        return (
            "the server closed the connection while it was being made: it is stopping, or this "
            "client's certificate is missing, expired or of another authority; check the "
            f"certificate and the authority's file, else retry with the same ids ({details})"
        )
    return f"the service cannot be reached; retry with the same ids ({details})"


def _status_of(error: grpc.RpcError) -> status_pb2.Status:
    trailing = cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ())
    for key, value in trailing:
        if key == DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break  # not written by this mesh: the code says what there is to say
    return status_pb2.Status()


def _unpack(
    status: status_pb2.Status, into: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo
) -> bool:
    return any(detail.Unpack(into) for detail in status.details)


def _cut(text: str, bytes_max: int) -> str:
    return text.encode(errors="replace")[:bytes_max].decode(errors="ignore")


def _duration(seconds: float) -> Duration:
    nanos = math.ceil(max(seconds, 0.0) * 1e9)
    return Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
