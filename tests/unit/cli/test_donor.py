"""`watersmeet donor`: a contact is read for a purpose, and erased only where it is meant."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from watersmeet.donations.v1 import donor_service_pb2 as pb
from watersmeet.donations.v1 import donor_service_pb2_grpc as pb_grpc

from services.runtime.errors import Fault, Reason
from tests.unit.cli.conftest import ServeMesh, caller_of, run

NOON = datetime(2026, 9, 5, 12, tzinfo=UTC)


class FakeDonors(pb_grpc.DonorServiceServicer):
    """Knows every donor, and keeps what it is asked."""

    def __init__(self) -> None:
        self.read: list[pb.GetDonorRequest] = []
        self.erased: list[pb.EraseDonorRequest] = []
        self.callers: set[str] = set()

    def GetDonor(
        self, request: pb.GetDonorRequest, context: grpc.ServicerContext
    ) -> pb.GetDonorResponse:
        self.read.append(request)
        self.callers.add(caller_of(context))
        return pb.GetDonorResponse(contact=pb.DonorContact(name="林", phone="+86 10 1"))

    def EraseDonor(
        self, request: pb.EraseDonorRequest, context: grpc.ServicerContext
    ) -> pb.EraseDonorResponse:
        self.erased.append(request)
        self.callers.add(caller_of(context))
        answer = pb.EraseDonorResponse()
        answer.erase_time.FromDatetime(NOON)
        return answer


@pytest.fixture
def fake() -> FakeDonors:
    return FakeDonors()


@pytest.fixture
def state(serve_mesh: ServeMesh, fake: FakeDonors) -> Path:
    """The state directory of a mesh with the fake for its intake."""
    return serve_mesh(donations=(pb_grpc.add_DonorServiceServicer_to_server, fake))


def test_a_contact_is_read_for_a_purpose(state: Path, fake: FakeDonors) -> None:
    reading = ("donor", "contact", "weibo", "u-7", "--purpose", "receipt", "--case", "RCPT-1")
    result = run(state, *reading)
    assert result.exit_code == 0, result.exception
    assert "name: 林\nphone: +86 10 1\n" in result.stdout
    assert json.loads(run(state, *reading, "--json").stdout)["name"] == "林"
    asked = fake.read[0]
    assert (asked.partner, asked.donor_reference) == ("weibo", "u-7")
    assert (asked.purpose, asked.case_reference) == (pb.READING_PURPOSE_RECEIPT, "RCPT-1")
    assert f"request {uuid.UUID(asked.request_id)}" in result.stderr
    assert fake.callers == {"spiffe://watersmeet/finance/local"}


@pytest.mark.parametrize("option", [("--purpose", "receipt"), ("--case", "RCPT-1")])
def test_no_contact_is_read_without_purpose_and_case(
    state: Path, fake: FakeDonors, option: tuple[str, str]
) -> None:
    assert run(state, "donor", "contact", "weibo", "u-7", *option).exit_code == 2
    assert fake.read == []


def test_a_donor_is_erased_only_where_it_is_meant(state: Path, fake: FakeDonors) -> None:
    refused = run(state, "donor", "erase", "weibo", "u-7", says="y\n")
    assert isinstance(refused.exception, Fault)
    assert refused.exception.reason is Reason.FIELD_REQUIRED
    assert fake.erased == []
    result = run(state, "donor", "erase", "weibo", "u-7", "--yes")
    assert result.stdout == "Erased at 2026-09-05 12:00:00Z.\n"
    (asked,) = fake.erased
    assert (asked.partner, asked.donor_reference) == ("weibo", "u-7")


def test_a_reference_may_come_from_standard_input(state: Path, fake: FakeDonors) -> None:
    result = run(state, "donor", "erase", "weibo", "-", "--yes", says="+86 138\n")
    assert result.exit_code == 0, result.exception
    assert fake.erased[0].donor_reference == "+86 138"
    assert "138" not in result.output
