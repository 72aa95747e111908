"""`watersmeet holds`: money that is reserved in one step and moved in another."""

import re
from typing import Annotated

import typer
from watersmeet.ledger.v1 import hold_service_pb2 as pb
from watersmeet.ledger.v1 import hold_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.deciding import (
    THIS_PERSON,
    Part,
    Person,
    Request,
    Yes,
    confirm,
    document_of,
    say_when,
)
from services.cli.listed import listed
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.balances import amount_of
from services.cli.render import print_json, rfc3339, with_unit, word
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Column, Kind, Sheet, Value

_TIMEOUT_S = 30.0
_NAME = re.compile(r"([0-9]{1,18})/([0-9]{1,9})")

holds = typer.Typer(
    help="Show what is reserved of an account, and end holds, as finance.", no_args_is_help=True
)

COLUMNS = (
    Column("hold"),
    Column("state"),
    Column("debit_account"),
    Column("credit_account"),
    Column("amount", Kind.AMOUNT),
    Column("unit"),
    Column("expires", Kind.TIME),
    Column("campaign", is_detail=True),
    Column("project", is_detail=True),
    Column("gifts", Kind.NUMBER, is_detail=True),
    Column("ended_by_entry", Kind.NUMBER),
)


def _name(text: str) -> ledger_pb.TransferName:
    match = _NAME.fullmatch(text)
    if match is None:
        raise typer.BadParameter("a hold is named by its entry and line, 17/0 say")
    return ledger_pb.TransferName(sequence=int(match[1]), position=int(match[2]))


Name = Annotated[
    ledger_pb.TransferName,
    typer.Argument(parser=_name, metavar="HOLD", help="Its entry and line, 17/0 say."),
]


@holds.command("list")
def list_holds(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="sponsor/lin/pool, say.")],
    currency: Annotated[str, typer.Option(metavar="CODE", help="Its unit.")] = "CNY",
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List the holds of an account, the earliest first."""
    request = pb.ListHoldsRequest(code=account, currency_code=currency, open_only=not everything)
    with asking(mesh, "ledger") as channel:
        stub = pb_grpc.HoldServiceStub(channel)
        rows = map(_row, listed(stub.ListHolds, request, timeout_s=_TIMEOUT_S))
        present(Sheet("holds", COLUMNS, rows), as_json=as_json, as_csv=as_csv, xlsx=xlsx)


@holds.command()
def commit(
    hold: Name,
    part: Part = None,
    request: Request = None,
    yes: Yes = False,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Move what is held, all or part of it; the rest is free."""
    with asking(mesh, "ledger", "finance", person) as channel:
        stub = pb_grpc.HoldServiceStub(channel)
        held = stub.GetHold(pb.GetHoldRequest(name=hold), timeout=_TIMEOUT_S).hold.transfer
        amount = held.amount
        if part is not None:
            amount.micros = part
        _confirm(f"Move {with_unit(amount)}", held, yes=yes)
        asked = pb.CommitHoldRequest(name=hold, amount=None if part is None else amount)
        say_when(asked, request)
        answer = stub.CommitHold(asked, timeout=_TIMEOUT_S)
    _show(asked, "committed", answer, as_json=as_json)


@holds.command()
def void(
    hold: Name,
    request: Request = None,
    yes: Yes = False,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Free all of what is held; nothing moves."""
    with asking(mesh, "ledger", "finance", person) as channel:
        stub = pb_grpc.HoldServiceStub(channel)
        held = stub.GetHold(pb.GetHoldRequest(name=hold), timeout=_TIMEOUT_S).hold.transfer
        _confirm(f"Free {with_unit(held.amount)}, held", held, yes=yes)
        asked = pb.VoidHoldRequest(name=hold)
        say_when(asked, request)
        answer = stub.VoidHold(asked, timeout=_TIMEOUT_S)
    _show(asked, "voided", answer, as_json=as_json)


def _confirm(does: str, held: ledger_pb.Transfer, *, yes: bool) -> None:
    confirm(f"{does} from {held.credit_account} to {held.debit_account}?", yes=yes)


def _show(
    asked: pb.CommitHoldRequest | pb.VoidHoldRequest,
    done: str,
    answer: pb.CommitHoldResponse | pb.VoidHoldResponse,
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json({**document_of(answer, asked), "hash": answer.hash.hex()})
    else:
        was = "was" if answer.replayed else "is"
        before = " before" if answer.replayed else ""
        name = f"{asked.name.sequence}/{asked.name.position}"
        make_console().print(f"Hold {name} {was} {done}{before} by entry {answer.sequence}.")


def _row(hold: pb.HoldStatus) -> tuple[Value, ...]:
    transfer = hold.transfer
    expires = transfer.hold.HasField("expire_time")
    return (
        f"{hold.name.sequence}/{hold.name.position}",
        word(pb.HoldState, hold.state),
        transfer.debit_account,
        transfer.credit_account,
        amount_of(transfer.amount),
        transfer.amount.currency_code,
        rfc3339(transfer.hold.expire_time) if expires else None,
        transfer.campaign,
        transfer.project,
        transfer.count,
        hold.end_sequence or None,
    )
