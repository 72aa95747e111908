"""`watersmeet reverse`: an entry that should not have been, moved back by another."""

from typing import Annotated

import typer
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as ledger_grpc
from watersmeet.ledger.v1 import reversal_service_pb2 as pb
from watersmeet.ledger.v1 import reversal_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.deciding import (
    THIS_PERSON,
    Document,
    Part,
    Person,
    Request,
    Yes,
    confirm,
    document_of,
    say_when,
)
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.render import print_json, with_unit
from services.cli.sheets.present import AsJson
from services.runtime.errors import Fault, Reason

_TIMEOUT_S = 30.0


def reverse(
    entry: Annotated[int, typer.Argument(min=1, metavar="ENTRY", help="Its number.")],
    document: Document,
    line: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Only this line. (all that is left)"),
    ] = None,
    part: Part = None,
    gifts: Annotated[
        int, typer.Option(min=0, metavar="N", help="With --amount: how many gifts count no more.")
    ] = 0,
    request: Request = None,
    yes: Yes = False,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Move back what an entry moved, in full or in part, as finance.

    Nothing is taken out of the books: the reversal is an entry of its own, and
    names this one.
    """
    if part is not None and line is None:
        raise typer.BadParameter("--amount is of one line; name it with --line")
    if gifts and part is None:
        raise typer.BadParameter("--gifts goes with --amount; without it all of the line's go back")
    with asking(mesh, "ledger", "finance", person) as channel:
        original = (
            ledger_grpc.LedgerServiceStub(channel)
            .GetEntry(ledger_pb.GetEntryRequest(sequence=entry), timeout=_TIMEOUT_S)
            .entry
        )
        parts = [] if line is None else [_part(original, line, part, gifts)]
        if not yes:
            for text in _told(original, parts):
                typer.echo(text, err=True)
        confirm("Move this back?", yes=yes)
        asked = pb.ReverseEntryRequest(sequence=entry, parts=parts, document=document)
        say_when(asked, request)
        stub = pb_grpc.ReversalServiceStub(channel)
        answer = stub.ReverseEntry(asked, timeout=_TIMEOUT_S)
    if as_json:
        print_json({**document_of(answer, asked), "hash": answer.hash.hex()})
    else:
        done = "was reversed before" if answer.replayed else "is reversed"
        make_console().print(f"Entry {entry} {done} by entry {answer.sequence}.")


def _part(entry: ledger_pb.Entry, line: int, micros: int | None, gifts: int) -> pb.ReversalPart:
    if line >= len(entry.transfers):
        raise Fault(
            Reason.FIELD_INVALID,
            f"entry {entry.sequence} has lines 0 to {len(entry.transfers) - 1}",
            field="line",
        )
    part = pb.ReversalPart(position=line, amount=entry.transfers[line].amount)
    if micros is None:
        part.count = entry.transfers[line].count
    else:
        part.amount.micros, part.count = micros, gifts
    return part


def _told(entry: ledger_pb.Entry, parts: list[pb.ReversalPart]) -> list[str]:
    """What would be moved back, a line a transfer."""
    chosen = {part.position: part.amount for part in parts}
    return [
        f"{with_unit(chosen.get(place, transfer.amount))} "
        f"from {transfer.debit_account} back to {transfer.credit_account}"
        for place, transfer in enumerate(entry.transfers)
        if not chosen or place in chosen
    ]
