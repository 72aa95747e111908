"""Faults cross the wire and come back the same."""

import re
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
import watersmeet
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from watersmeet.errors.v1 import errors_pb2

from services.runtime.errors import Fault, Reason
from services.runtime.status import (
    CODES,
    DETAILS_KEY,
    code_of,
    fault_from_rpc_error,
    rich_status,
)

PROTO = Path(next(iter(watersmeet.__path__))) / "errors/v1/errors.proto"


class FailedCall(grpc.RpcError):
    """As a client sees it."""

    def __init__(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing: Sequence[tuple[str, str | bytes]] = (),
    ) -> None:
        self._code, self._details, self._trailing = code, details, trailing

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(  # type: ignore[override]  # the stubs know no pair
        self,
    ) -> Sequence[tuple[str, str | bytes]]:
        return self._trailing


def failed(fault: Fault) -> FailedCall:
    status = rich_status(fault, "an-id")
    trailing = [("x-request-id", "an-id"), (DETAILS_KEY, status.SerializeToString())]
    return FailedCall(code_of(fault.reason), status.message, trailing)


def details_of(status: status_pb2.Status) -> dict[str, object]:
    found: dict[str, object] = {}
    for detail in status.details:
        message = getattr(error_details_pb2, detail.TypeName().rpartition(".")[2])()
        assert detail.Unpack(message)
        found[type(message).__name__] = message
    return found


def test_the_reasons_are_those_of_the_proto() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118  no mapping
    assert names - {"UNSPECIFIED"} == set(Reason)


def test_each_code_is_the_one_that_the_proto_documents() -> None:
    documented = {
        name: code
        for code, name in re.findall(
            r"^  // ([A-Z_]+): (?:[^\n]*\n  //)*[^\n]*\n  ERROR_REASON_([A-Z_]+) = \d+;",
            PROTO.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    }
    assert {reason: code_of(reason).name for reason in Reason} == documented
    assert set(CODES) == set(Reason)


@given(
    reason=st.sampled_from(Reason),
    message=st.text(max_size=120),
    retry_after=st.none() | st.integers(0, 86_400_000).map(lambda ms: ms / 1000),
    metadata=st.dictionaries(
        st.sampled_from(["field", "limit_micros", "message", "reason"]), st.text(max_size=60)
    ),
)
def test_a_fault_survives_the_way(
    reason: Reason, message: str, retry_after: float | None, metadata: dict[str, str]
) -> None:
    fault = Fault(reason, message, retry_after=retry_after)
    fault.metadata = metadata
    seen = fault_from_rpc_error(failed(fault))
    assert (seen.reason, seen.message) == (reason, message)
    assert seen.retry_after == pytest.approx(retry_after)
    if reason is Reason.INTERNAL:
        assert seen.metadata.pop("request_id") == "an-id"
    assert seen.metadata == metadata


def test_what_a_status_carries() -> None:
    fault = Fault(Reason.FIELD_INVALID, "project is malformed", retry_after=1.5, field="project")
    status = rich_status(fault, "an-id")
    details = details_of(status)
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert details["ErrorInfo"] == error_details_pb2.ErrorInfo(
        reason="FIELD_INVALID", domain="watersmeet", metadata={"field": "project"}
    )
    violation = error_details_pb2.BadRequest.FieldViolation(
        field="project", description="project is malformed"
    )
    assert details["BadRequest"] == error_details_pb2.BadRequest(field_violations=[violation])
    retry = details["RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 1500


def test_a_status_without_field_or_delay_carries_neither() -> None:
    details = details_of(rich_status(Fault(Reason.DONATION_NOT_FOUND, "no such gift"), "an-id"))
    assert set(details) == {"ErrorInfo"}


def test_what_a_fault_quotes_is_cut() -> None:
    fault = Fault(Reason.FIELD_INVALID, "x" + "融" * 100_000, field="f" * 100_000)
    status = rich_status(fault, "an-id")
    assert status.message == "x" + "融" * 170
    assert status.ByteSize() < 2_500


@pytest.mark.parametrize(
    ("code", "details", "reason"),
    [
        ("UNAVAILABLE", "Connection refused", Reason.DEPENDENCY_UNAVAILABLE),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", Reason.DEADLINE_EXCEEDED),
        ("DEADLINE_EXCEEDED", "Stream removed (Deadline Exceeded)", Reason.DEADLINE_EXCEEDED),
        (
            "RESOURCE_EXHAUSTED",
            "SERVER: Received message larger than max (16777288 vs. 16777216)",
            Reason.MESSAGE_TOO_LARGE,
        ),
        ("RESOURCE_EXHAUSTED", "Bandwidth exhausted", Reason.QUEUE_FULL),
        ("INTERNAL", "Internal error from Core", Reason.DEPENDENCY_UNAVAILABLE),
        ("INTERNAL", "Received RST_STREAM with error code 2", Reason.DEPENDENCY_UNAVAILABLE),
        ("UNKNOWN", "Stream removed", Reason.DEPENDENCY_UNAVAILABLE),
        ("UNIMPLEMENTED", "Method not found!", Reason.INTERNAL),
    ],
)
def test_what_the_transport_fails_with(code: str, details: str, reason: Reason) -> None:
    fault = fault_from_rpc_error(FailedCall(grpc.StatusCode[code], details))
    assert fault.reason is reason


@pytest.mark.parametrize(
    "trailing",
    [
        [(DETAILS_KEY, b"\xff\xff")],
        [
            (
                DETAILS_KEY,
                rich_status(Fault(Reason.QUEUE_FULL, ""), "")
                .SerializeToString()
                .replace(b"QUEUE_FULL", b"QUEUE_FOOL"),
            )
        ],
    ],
)
def test_details_of_strangers_are_not_believed(
    trailing: list[tuple[str, str | bytes]],
) -> None:
    fault = fault_from_rpc_error(FailedCall(grpc.StatusCode.UNAVAILABLE, "x", trailing))
    assert fault.reason is Reason.DEPENDENCY_UNAVAILABLE


def test_a_broken_handshake_sends_one_to_the_certificate() -> None:
    fault = fault_from_rpc_error(FailedCall(grpc.StatusCode.UNAVAILABLE, "Socket closed"))
    assert "certificate" in fault.message
    fault = fault_from_rpc_error(FailedCall(grpc.StatusCode.UNAVAILABLE, "Connection refused"))
    assert "certificate" not in fault.message


@pytest.mark.parametrize(
    "details",
    [
        "Tls handshake failed: SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED: self signed",
        "Custom verification check failed with error: Hostname Verification Check failed.",
    ],
)
def test_a_server_that_is_not_believed_sends_one_to_the_authority(details: str) -> None:
    fault = fault_from_rpc_error(FailedCall(grpc.StatusCode.UNAVAILABLE, details))
    assert fault.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert "the authority's file" in fault.message
    assert "this client's certificate" not in fault.message
