"""`watersmeet audit`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from typer.testing import Result
from watersmeet.ledger.v1 import audit_service_pb2 as pb
from watersmeet.ledger.v1 import audit_service_pb2_grpc as pb_grpc

from services.runtime.errors import Fault, Reason
from tests.unit.cli import conftest
from tests.unit.cli.conftest import ServeMesh, caller_of

NOON = datetime(2026, 9, 5, 12, tzinfo=UTC)
CHAIN = pb.AuditCheck(name="chain", ok=True, covered=1_812, detail="every link holds")
BATCHES = pb.AuditCheck(name="batches", ok=False, covered=7, detail="batch [red]7[/red] differs")


class FakeAudit(pb_grpc.AuditServiceServicer):
    """Streams these checks, and a report of them."""

    def __init__(self, *checks: pb.AuditCheck, reports: bool = True) -> None:
        self.checks = checks
        self.reports = reports
        self.callers: list[str] = []

    def RunAudit(
        self, request: pb.RunAuditRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.RunAuditResponse]:
        self.callers.append(caller_of(context))
        for check in self.checks:
            yield pb.RunAuditResponse(check=check)
        if self.reports:
            report = pb.AuditReport(
                ok=all(check.ok for check in self.checks),
                as_of_sequence=1_812,
                head_hash=b"\xab" * 32,
                checks=self.checks,
            )
            report.start_time.FromDatetime(NOON)
            report.end_time.FromDatetime(NOON)
            yield pb.RunAuditResponse(report=report)


def run(serve_mesh: ServeMesh, fake: FakeAudit, *arguments: str) -> Result:
    state: Path = serve_mesh(ledger=(pb_grpc.add_AuditServiceServicer_to_server, fake))
    return conftest.run(state, "audit", *arguments)


def test_each_check_is_shown_and_all_ok_is_status_0(serve_mesh: ServeMesh) -> None:
    fake = FakeAudit(CHAIN)
    result = run(serve_mesh, fake)
    assert result.exit_code == 0, result.exception
    first, second, third = result.output.splitlines()
    assert first.split() == ["ok", "chain", "1,812", "every", "link", "holds"]
    assert second.startswith("All checks are ok as of entry 1,812, 2026-09-05 12:00:00Z.")
    assert third == f"Its hash: {'ab' * 32}"
    assert fake.callers == ["spiffe://watersmeet/operator/local"]


def test_one_check_that_is_not_ok_is_status_1(serve_mesh: ServeMesh) -> None:
    result = run(serve_mesh, FakeAudit(CHAIN, BATCHES))
    assert result.exit_code == 1
    # What the ledger says is shown as it is, and colours nothing.
    assert "NOT OK  batches" in result.output
    assert "batch [red]7[/red] differs" in result.output
    assert "The books do not agree" in result.output


@pytest.mark.parametrize(("checks", "status"), [([CHAIN], 0), ([CHAIN, BATCHES], 1)])
def test_json_is_the_report_alone(
    serve_mesh: ServeMesh, checks: list[pb.AuditCheck], status: int
) -> None:
    result = run(serve_mesh, FakeAudit(*checks), "--json")
    assert result.exit_code == status
    assert json.loads(result.output) == {
        "ok": status == 0,
        "as_of_sequence": 1_812,
        "head_hash": "ab" * 32,
        "checks": [
            {
                "name": check.name,
                "ok": check.ok,
                "covered": check.covered,
                "detail": check.detail,
            }
            for check in checks
        ],
        "start_time": "2026-09-05T12:00:00Z",
        "end_time": "2026-09-05T12:00:00Z",
    }


def test_an_audit_without_a_report_is_no_success(serve_mesh: ServeMesh) -> None:
    result = run(serve_mesh, FakeAudit(CHAIN, reports=False))
    assert isinstance(result.exception, Fault)
    assert result.exception.reason is Reason.INTERNAL
