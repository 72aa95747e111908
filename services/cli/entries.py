"""`watersmeet entries`: the journal."""

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import typer
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.between import Since, Until, set_times
from services.cli.listed import listed
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.balances import amount_of
from services.cli.render import rfc3339
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Column, Kind, Sheet, Value
from services.cli.statement import cause_of

_TIMEOUT_S = 60.0
_PAGE = 500

COLUMNS = (
    Column("entry", Kind.NUMBER),
    Column("line", Kind.NUMBER, is_detail=True),
    Column("recorded", Kind.TIME, is_detail=True),
    Column("value_date"),
    Column("cause", is_detail=True),
    Column("debit_account"),
    Column("credit_account"),
    Column("amount", Kind.AMOUNT),
    Column("unit"),
    Column("campaign", is_detail=True),
    Column("project", is_detail=True),
    Column("hour", Kind.TIME, is_detail=True),
    Column("gifts", Kind.NUMBER),
)


def entries(
    account: Annotated[
        str, typer.Option(metavar="ACCOUNT", help="Only entries that move its money.")
    ] = "",
    batch: Annotated[
        UUID | None, typer.Option(metavar="UUID", help="Only those of this intake batch.")
    ] = None,
    since: Since = None,
    until: Until = None,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """Show entries, a line a transfer, in the order of the books."""
    request = pb.ListEntriesRequest(account=account, page_size=_PAGE)
    if batch is not None:
        request.cause.kind = pb.CAUSE_KIND_INTAKE_BATCH
        request.cause.id = str(batch)
    set_times(request, since, until)
    with asking(mesh, "ledger") as channel:
        rows = _rows(pb_grpc.LedgerServiceStub(channel), request)
        present(Sheet("entries", COLUMNS, rows), as_json=as_json, as_csv=as_csv, xlsx=xlsx)


def _rows(ledger: Any, request: pb.ListEntriesRequest) -> Iterator[tuple[Value, ...]]:
    for entry in listed(ledger.ListEntries, request, timeout_s=_TIMEOUT_S):
        yield from _lines(entry)


def _lines(entry: pb.Entry) -> Iterator[tuple[Value, ...]]:
    for position, transfer in enumerate(entry.transfers):
        yield (
            entry.sequence,
            position,
            rfc3339(entry.recorded_time),
            entry.value_date,
            cause_of(entry.cause),
            transfer.debit_account,
            transfer.credit_account,
            amount_of(transfer.amount),
            transfer.amount.currency_code,
            transfer.campaign,
            transfer.project,
            rfc3339(transfer.hour) if transfer.HasField("hour") else None,
            transfer.count,
        )
