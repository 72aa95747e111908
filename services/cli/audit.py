"""`watersmeet audit`: derives the books a second time, and compares."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from watersmeet.ledger.v1 import audit_service_pb2 as pb
from watersmeet.ledger.v1 import audit_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.render import moment, print_json, rfc3339
from services.runtime.errors import Fault, Reason

_TIMEOUT_S = 86_400.0  # every transfer there ever was is read


def audit(
    mesh: Mesh = DEFAULT_MESH,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: the report.")] = False,
) -> None:
    """Audit the books: show each check as it ends.

    Exit status 0: every check is ok. 1: one is not, or could not be made.
    """
    console = make_console()
    report: pb.AuditReport | None = None
    with asking(mesh, "ledger") as channel:
        messages = pb_grpc.AuditServiceStub(channel).RunAudit(
            pb.RunAuditRequest(), timeout=_TIMEOUT_S
        )
        for message in messages:
            if message.HasField("report"):
                report = message.report
            elif not as_json:
                console.print(_line(message.check), soft_wrap=True)
    if report is None:
        raise Fault(Reason.INTERNAL, "the audit ended without a report; run it again")
    if as_json:
        print_json(_document(report))
    else:
        verdict = "[green]All checks are ok[/]" if report.ok else "[red]The books do not agree[/]"
        head = f"as of entry {report.as_of_sequence:,}, {moment(report.end_time)}"
        console.print(f"{verdict} {head}.", soft_wrap=True)
        console.print(f"Its hash: {report.head_hash.hex()}", style="dim", soft_wrap=True)
    if not report.ok:
        raise typer.Exit(1)


def _line(check: pb.AuditCheck) -> str:
    mark = "[green]ok    [/]" if check.ok else "[red]NOT OK[/]"
    return f"{mark}  {check.name:<14}{check.covered:>12,}  {escape(check.detail)}"


def _document(report: pb.AuditReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "as_of_sequence": report.as_of_sequence,
        "head_hash": report.head_hash.hex(),
        "checks": [
            {
                "name": check.name,
                "ok": check.ok,
                "covered": check.covered,
                "detail": check.detail,
            }
            for check in report.checks
        ],
        "start_time": rfc3339(report.start_time),
        "end_time": rfc3339(report.end_time),
    }
