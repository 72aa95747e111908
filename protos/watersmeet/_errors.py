"""One error for everything that a call can fail with, and what may be tried again."""

import random
from collections.abc import Iterable, Mapping
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

# Failures that no server answered for; the others are the names in watersmeet.errors.v1.
UNREACHABLE = "UNREACHABLE"
HANDSHAKE_REFUSED = "HANDSHAKE_REFUSED"
HANDSHAKE_FAILED = "HANDSHAKE_FAILED"
DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
QUEUE_FULL = "QUEUE_FULL"
OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"

_DOMAIN = "watersmeet"
_DETAILS_KEY = "grpc-status-details-bin"

_RETRIED_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})
# How gRPC words a connection that broke in the middle of a call, under several codes.
_BROKEN_STREAM = ("rst_stream", "stream removed", "goaway", "internal error from core")

_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 5.0
# A server that stops in the middle of a handshake looks like one that refuses our certificate.
_HANDSHAKES_REFUSED_MAX = 3


class WatersmeetError(Exception):
    """A call failed.

    reason: a name of watersmeet.errors.v1.ErrorReason without its prefix, such as
    "DONATION_CONFLICT"; decide on it, not on the message. Or one of these, where no server
    answered: UNREACHABLE, HANDSHAKE_REFUSED (the server does not take our certificate),
    HANDSHAKE_FAILED (we do not trust the server, or our files do not belong together),
    DEADLINE_EXCEEDED.
    message: what is wrong and what to do. metadata: facts under the keys the reason documents.
    code: gRPC's status. retry_after: seconds after which the server wants to be tried again.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        metadata: Mapping[str, str] | None = None,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.code = code
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """Whether the same call with the same ids may succeed later."""
        if self.reason in (HANDSHAKE_FAILED, MESSAGE_TOO_LARGE):
            return False
        return self.code in _RETRIED_CODES or self.reason in (OUTCOME_UNKNOWN, UNREACHABLE)


def error_of(failure: grpc.RpcError) -> WatersmeetError:
    """Reads a failed call: its ErrorInfo and RetryInfo if the server sent them, else its status."""
    code: grpc.StatusCode = failure.code()
    details: str = failure.details() or ""
    info, retry_after = _sent_details(failure)
    if info is not None:
        return WatersmeetError(
            info.reason, details, info.metadata, code=code, retry_after=retry_after
        )
    reason, message = _transport(code, details)
    return WatersmeetError(reason, message, code=code, retry_after=retry_after)


def _sent_details(
    failure: grpc.RpcError,
) -> tuple[error_details_pb2.ErrorInfo | None, float | None]:
    info, retry_after = None, None
    for detail in _status_of(failure).details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            sent = error_details_pb2.ErrorInfo()
            detail.Unpack(sent)
            if sent.domain == _DOMAIN:
                info = sent
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return info, retry_after


def _status_of(failure: grpc.RpcError) -> status_pb2.Status:
    trailing = cast("Iterable[tuple[str, bytes]]", failure.trailing_metadata() or ())
    for key, value in trailing:
        if key == _DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break  # some proxy's; the status code says what there is to say
    return status_pb2.Status()


# What gRPC says before a connection is of use. The last does not name the certificate it means.
_NO_TLS = ("handshake", "certificate", "hostname verification")


def _transport(code: grpc.StatusCode, details: str) -> tuple[str, str]:
    """(reason, message) of a failure that no Watersmeet server described."""
    words = details.lower()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DEADLINE_EXCEEDED, (
            "the call's time ran out; repeat it with the same ids to learn its outcome"
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        if "larger than max" in words:
            return MESSAGE_TOO_LARGE, f"send smaller messages ({details})"
        return QUEUE_FULL, f"the server has no room for another call now ({details})"
    if any(word in words for word in _BROKEN_STREAM):
        return UNREACHABLE, f"the connection broke ({details})"
    if code is not grpc.StatusCode.UNAVAILABLE:
        return code.name, f"the call failed with {code.name} ({details})"
    if any(word in words for word in _NO_TLS):
        return HANDSHAKE_FAILED, (
            "no TLS connection with the server: check that ca is the authority of the server's "
            "certificate, that this names the host as it is called, and that certificate and key "
            f"belong together ({details})"
        )
    # The handshake's last word is the server's: a connection that closes before it was ever of use.
    if "failed to connect" in words and ("socket closed" in words or "reset" in words):
        return HANDSHAKE_REFUSED, (
            "the server refused or did not get a client certificate: check that certificate is "
            f"issued by the authority that the server trusts, and has not expired ({details})"
        )
    return UNREACHABLE, f"the server cannot be reached ({details})"


class Backoff:
    """How long to wait before the next attempt of one call."""

    def __init__(self) -> None:
        self._next_s = _BACKOFF_FIRST_S
        self._handshakes_refused = 0

    def reset(self) -> None:
        """Begins anew, after something succeeded."""
        self._next_s = _BACKOFF_FIRST_S
        self._handshakes_refused = 0

    def delay(self, error: WatersmeetError) -> float | None:
        """Seconds to wait after this error; None if another attempt makes no sense."""
        if error.reason == HANDSHAKE_REFUSED:
            self._handshakes_refused += 1
        if not error.retryable or self._handshakes_refused >= _HANDSHAKES_REFUSED_MAX:
            return None
        # Spread, so that clients that failed together do not come back together.
        spread_s = self._next_s * random.uniform(0.5, 1.0)  # noqa: S311 no secret
        self._next_s = min(2 * self._next_s, _BACKOFF_MAX_S)
        return max(spread_s, error.retry_after or 0.0)
