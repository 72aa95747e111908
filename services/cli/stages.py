"""`watersmeet stages`: gifts that were seen further on their way to the charity."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import grpc
import typer
from uuid_utils.compat import uuid7
from watersmeet.donations.v1 import life_service_pb2 as pb
from watersmeet.donations.v1 import life_service_pb2_grpc as pb_grpc
from watersmeet.donations.v1.donation_intake_service_pb2 import OUTCOME_CONFLICTING, Outcome

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.deciding import THIS_PERSON, Person
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.render import print_json, reason_of, word
from services.cli.sending.stage_file import stages as events_of
from services.cli.sheets.present import AsJson, documents_of, table_of
from services.cli.sheets.sheet import Column, Kind, Sheet
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error

_TIMEOUT_S = 60.0
_EVENTS_A_CALL = 1_000
_SHOWN_MAX = 1_000
_SOME_CONFLICT = 1

_COLUMNS = (Column("line", Kind.NUMBER), Column("reason"), Column("message"))

T = TypeVar("T")


class Conflict(NamedTuple):
    """An event that contradicts what is recorded. line: where it ends in the file."""

    line: int
    reason: str
    message: str


def stages(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV: docs/finance.md has its form.")
    ],
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Record that gifts are settled, received or spent, as finance.

    All lines are read before any is sent. Sending a file again changes nothing.
    Exit status 0: all stands in the books. 1: something contradicts them, or could not be sent.
    """
    if not file.is_file():
        raise Fault(
            Reason.FIELD_INVALID, "a file is read twice, and a pipe cannot be", field="file"
        )
    for _ in events_of(file):
        pass
    outcomes: Counter[str] = Counter()
    conflicts: list[Conflict] = []
    with asking(mesh, "donations", "finance", person) as channel:
        stub = pb_grpc.LifeServiceStub(channel)
        for lot in _lots(events_of(file), _EVENTS_A_CALL):
            for (line, _), result in zip(lot, _sent(stub, lot), strict=True):
                outcomes[word(Outcome, result.outcome)] += 1
                if result.outcome == OUTCOME_CONFLICTING and len(conflicts) < _SHOWN_MAX:
                    conflicts.append(_conflict(line, result))
    sheet = Sheet("conflicts", _COLUMNS, conflicts)
    if as_json:
        print_json({"outcomes": dict(outcomes), sheet.name: documents_of(sheet)})
    else:
        console = make_console()
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
        console.print(f"{told or 'Nothing there'}.")
        if conflicts:
            console.print(table_of(_COLUMNS, conflicts))
        if len(conflicts) == _SHOWN_MAX:
            console.print(f"No more than the first {_SHOWN_MAX:,} conflicts are listed.")
    if conflicts:
        raise typer.Exit(_SOME_CONFLICT)


def _sent(
    stub: pb_grpc.LifeServiceStub, lot: Sequence[tuple[int, pb.StageEvent]]
) -> Sequence[pb.StageResult]:
    request = pb.RecordStagesRequest(request_id=str(uuid7()), events=[event for _, event in lot])
    try:
        return stub.RecordStages(request, timeout=_TIMEOUT_S).results
    except grpc.RpcError as error:
        fault = fault_from_rpc_error(error)
        first, last = lot[0][0], lot[-1][0]
        message = (
            f"lines {first} to {last} are not known to be recorded: {fault.message}. "
            "Send the file again: nothing is counted twice"
        )
        raise Fault(fault.reason, message) from error


def _conflict(line: int, result: pb.StageResult) -> Conflict:
    return Conflict(line, reason_of(result.problem.reason), result.problem.message)


def _lots(things: Iterator[T], size: int) -> Iterator[Sequence[T]]:
    while lot := list(islice(things, size)):
        yield lot
