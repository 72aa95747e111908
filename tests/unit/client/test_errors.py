"""What is read out of a failed call, and how long to wait before the next attempt."""

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from watersmeet._errors import Backoff, WatersmeetError, error_of

CODE = grpc.StatusCode


def failure(
    code: grpc.StatusCode, details: str = "", trailing: bytes | None = None
) -> WatersmeetError:
    metadata = grpc.aio.Metadata()
    if trailing is not None:
        metadata.add("grpc-status-details-bin", trailing)
    return error_of(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, details))


def status(domain: str) -> bytes:
    status = status_pb2.Status(code=8)
    info = error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain=domain, metadata={"a": "b"})
    status.details.add().Pack(info)
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    status.details.add().Pack(retry)
    return bytes(status.SerializeToString())


def test_the_servers_words_are_kept() -> None:
    error = failure(CODE.RESOURCE_EXHAUSTED, "come later", status("watersmeet"))
    assert (error.reason, error.message) == ("QUEUE_FULL", "come later")
    assert (error.metadata, error.retry_after) == ({"a": "b"}, 1.5)
    assert str(error) == "QUEUE_FULL: come later"


@pytest.mark.parametrize("trailing", [None, b"", b"\xff garbage", status("another.example")])
def test_without_our_words_the_status_decides(trailing: bytes | None) -> None:
    assert failure(CODE.PERMISSION_DENIED, "no", trailing).reason == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("code", "details", "reason", "retryable"),
    [
        (CODE.UNAVAILABLE, "Connection refused", "UNREACHABLE", True),
        (CODE.UNAVAILABLE, "Socket closed", "UNREACHABLE", True),
        (CODE.UNAVAILABLE, "failed to connect: Socket closed", "HANDSHAKE_REFUSED", True),
        (CODE.UNAVAILABLE, "Tls handshake failed", "HANDSHAKE_FAILED", False),
        (CODE.UNAVAILABLE, "Hostname Verification Check failed.", "HANDSHAKE_FAILED", False),
        (CODE.INTERNAL, "Received RST_STREAM with error code 2", "UNREACHABLE", True),
        (CODE.INTERNAL, "a bug", "INTERNAL", False),
        (CODE.RESOURCE_EXHAUSTED, "Sent message larger than max", "MESSAGE_TOO_LARGE", False),
        (CODE.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!", "QUEUE_FULL", True),
        (CODE.DEADLINE_EXCEEDED, "", "DEADLINE_EXCEEDED", False),
    ],
)
def test_what_the_transport_says(
    code: grpc.StatusCode, details: str, reason: str, retryable: bool
) -> None:
    error = failure(code, details)
    assert (error.reason, error.retryable) == (reason, retryable)


def test_waiting_grows_to_a_limit_and_is_never_shorter_than_the_server_wishes() -> None:
    backoff = Backoff()
    away = failure(CODE.UNAVAILABLE, "Connection refused")
    delays = [backoff.delay(away) or 0.0 for _ in range(20)]
    assert 0.05 <= delays[0] <= 0.1
    assert max(delays) <= 5.0
    assert min(delays[-3:]) >= 2.5
    backoff.reset()
    assert (backoff.delay(away) or 9.0) <= 0.1
    wish = WatersmeetError("QUEUE_FULL", "", code=CODE.RESOURCE_EXHAUSTED, retry_after=7.0)
    assert backoff.delay(wish) == 7.0


def test_a_refused_handshake_is_tried_only_a_few_times() -> None:
    backoff = Backoff()
    refused = failure(CODE.UNAVAILABLE, "failed to connect: Socket closed")
    assert [backoff.delay(refused) is None for _ in range(3)] == [False, False, True]
