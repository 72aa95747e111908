"""`watersmeet statement`: an account, line by line."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import statement_service_pb2 as statement_pb
from watersmeet.ledger.v1 import statement_service_pb2_grpc as statement_grpc

from services.cli.asking import asking
from services.cli.between import Since, Until, set_times
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.balances import amount_of
from services.cli.render import rfc3339, word
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Column, Kind, Sheet, Value

_TIMEOUT_S = 3_600.0

COLUMNS = (
    Column("entry", Kind.NUMBER),
    Column("line", Kind.NUMBER, is_detail=True),
    Column("recorded", Kind.TIME, is_detail=True),
    Column("value_date"),
    Column("counterpart"),
    Column("cause", is_detail=True),
    Column("campaign", is_detail=True),
    Column("project", is_detail=True),
    Column("debit", Kind.AMOUNT),
    Column("credit", Kind.AMOUNT),
    Column("balance", Kind.AMOUNT),
)


def statement(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="partner/alipay/claimed, say.")],
    currency: Annotated[str, typer.Option(metavar="CODE", help="Its unit.")] = "CNY",
    since: Since = None,
    until: Until = None,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """Show an account's movements, each with the balance after it."""
    chosen = statement_pb.StatementFilter(code=account, currency_code=currency)
    set_times(chosen, since, until)
    request = statement_pb.StreamStatementRequest(filter=chosen)
    with asking(mesh, "ledger") as channel:
        parts = iter(
            statement_grpc.StatementServiceStub(channel).StreamStatement(
                request, timeout=_TIMEOUT_S
            )
        )
        first = next(parts)
        facts: dict[str, Value] = {
            "account": account,
            "unit": currency,
            "opening_balance": amount_of(first.opening_balance),
            "as_of_entry": first.as_of_sequence,
        }
        sheet = Sheet("statement", COLUMNS, _rows(first, parts), facts)
        present(sheet, as_json=as_json, as_csv=as_csv, xlsx=xlsx)


def _rows(
    first: statement_pb.StreamStatementResponse,
    others: Iterable[statement_pb.StreamStatementResponse],
) -> Iterator[tuple[Value, ...]]:
    yield from map(_row, first.lines)
    for part in others:
        yield from map(_row, part.lines)


def _row(line: statement_pb.StatementLine) -> tuple[Value, ...]:
    return (
        line.sequence,
        line.position,
        rfc3339(line.recorded_time),
        line.value_date,
        line.counterpart,
        cause_of(line.cause),
        line.campaign,
        line.project,
        amount_of(line.debit) if line.HasField("debit") else None,
        amount_of(line.credit) if line.HasField("credit") else None,
        amount_of(line.balance),
    )


def cause_of(cause: pb.Cause) -> str:
    """A cause in a word and its id."""
    return f"{word(pb.CauseKind, cause.kind)} {cause.id}"
