"""`watersmeet periods`: days and months of the books that close, and what came late."""

from pathlib import Path
from typing import Annotated

import typer
from watersmeet.ledger.v1 import period_service_pb2 as pb
from watersmeet.ledger.v1 import period_service_pb2_grpc as pb_grpc

from services.cli.asking import asking, is_elsewhere
from services.cli.console import make_console
from services.cli.deciding import (
    THIS_PERSON,
    Document,
    Person,
    Request,
    document_of,
    say_when,
    told_entry,
)
from services.cli.listed import listed
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.balances import amount_of
from services.cli.render import print_json, rfc3339, word
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Column, Kind, Sheet, Value, named

_TIMEOUT_S = 30.0

periods = typer.Typer(
    help="Close the books' days and months, and open them again, as finance.", no_args_is_help=True
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="PERIOD", help="A month 2019-09 or day 2019-09-05; with @ZONE of campaigns there."
    ),
]

COLUMNS = (
    Column("period"),
    Column("state"),
    Column("reopening_proposed_by"),
    Column("reopening_entry", Kind.NUMBER),
)
LATE_COLUMNS = (
    Column("entry", Kind.NUMBER),
    Column("line", Kind.NUMBER),
    Column("value_date"),
    Column("book_date"),
    Column("time_zone", is_detail=True),
    Column("recorded", Kind.TIME, is_detail=True),
    Column("debit_account"),
    Column("credit_account"),
    Column("amount", Kind.AMOUNT),
    Column("unit"),
    Column("campaign", is_detail=True),
    Column("project", is_detail=True),
    Column("gifts", Kind.NUMBER),
)


@periods.command("list")
def list_periods(
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List the periods that are not open."""
    with asking(mesh, "ledger") as channel:
        stub = pb_grpc.PeriodServiceStub(channel)
        request = pb.ListPeriodsRequest()
        rows = map(_row, listed(stub.ListPeriods, request, timeout_s=_TIMEOUT_S))
        present(Sheet("periods", COLUMNS, rows), as_json=as_json, as_csv=as_csv, xlsx=xlsx)


@periods.command()
def late(
    period: Annotated[
        str, typer.Argument(metavar="[PERIOD]", help="Only gifts of this period. (all)")
    ] = "",
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List gifts that came after their period began to close."""
    with asking(mesh, "ledger") as channel:
        stub = pb_grpc.PeriodServiceStub(channel)
        request = pb.ListLateArrivalsRequest(period=period)
        rows = map(_late_row, listed(stub.ListLateArrivals, request, timeout_s=_TIMEOUT_S))
        present(Sheet("late", LATE_COLUMNS, rows), as_json=as_json, as_csv=as_csv, xlsx=xlsx)


def _offer(name: str, action: "pb.PeriodAction.ValueType", does: str) -> None:
    @periods.command(name, help=does)
    def decide(
        period: Name,
        document: Document = "",
        request: Request = None,
        person: Person = THIS_PERSON,
        mesh: Mesh = DEFAULT_MESH,
        as_json: AsJson = False,
    ) -> None:
        asked = pb.DecidePeriodRequest(period=period, action=action, document=document)
        _decide(asked, request, person, mesh, as_json=as_json)


_offer(
    "begin-closing",
    pb.PERIOD_ACTION_BEGIN_CLOSING,
    "Begin to close a period that is over: only finance's own entries still go into it.",
)
_offer("close", pb.PERIOD_ACTION_CLOSE, "Close a closing period: nothing goes into it any more.")
_offer("cancel-closing", pb.PERIOD_ACTION_CANCEL_CLOSING, "Open a closing period again.")


@periods.command()
def reopen(
    period: Name,
    approve: Annotated[
        bool, typer.Option("--approve", help="Agree to what somebody else proposed.")
    ] = False,
    document: Document = "",
    request: Request = None,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Propose to open a closed period again; with --approve, agree as the second person.

    The two are told apart by their certificates: the second is named with --as, or asks
    with a --mesh file of their own.
    """
    action = pb.PERIOD_ACTION_APPROVE_REOPENING if approve else pb.PERIOD_ACTION_PROPOSE_REOPENING
    asked = pb.DecidePeriodRequest(period=period, action=action, document=document)
    _decide(asked, request, person, mesh, as_json=as_json)


def _decide(
    asked: pb.DecidePeriodRequest,
    request: Request,
    person: str | None,
    mesh: Path,
    *,
    as_json: bool,
) -> None:
    """Decides, and says what the period is now. An answer that was given before says so."""
    with asking(mesh, "ledger", "finance", person) as channel:
        say_when(asked, request)
        stub = pb_grpc.PeriodServiceStub(channel)
        answer = stub.DecidePeriod(asked, timeout=_TIMEOUT_S)
    period = answer.period
    if as_json:
        print_json({**named(COLUMNS, _row(period)), **document_of(answer, asked)})
        return
    console = make_console()
    console.print(
        f"Period {period.name} is {word(pb.PeriodState, period.state)}. "
        f"{told_entry(answer.sequence, replayed=answer.replayed)}",
        markup=False,
    )
    if period.reopening_proposed_by:
        # Elsewhere the other has a file of their own, and who they are stands in its certificate.
        other = "" if is_elsewhere(mesh) else " --as NAME"
        console.print(
            f"{period.reopening_proposed_by} proposes to open it again; another person approves: "
            f"watersmeet periods reopen {period.name} --approve{other}",
            markup=False,
            soft_wrap=True,
        )


def _row(period: pb.Period) -> tuple[Value, ...]:
    return (
        period.name,
        word(pb.PeriodState, period.state),
        period.reopening_proposed_by,
        period.reopening_sequence or None,
    )


def _late_row(one: pb.LateArrival) -> tuple[Value, ...]:
    return (
        one.name.sequence,
        one.name.position,
        one.value_date,
        one.book_date,
        one.time_zone,
        rfc3339(one.recorded_time),
        one.transfer.debit_account,
        one.transfer.credit_account,
        amount_of(one.transfer.amount),
        one.transfer.amount.currency_code,
        one.transfer.campaign,
        one.transfer.project,
        one.transfer.count,
    )
