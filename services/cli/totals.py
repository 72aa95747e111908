"""`watersmeet totals`: the combined totals, as the gateway has them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer
from watersmeet.gateway.v1 import totals_service_pb2 as pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1.ledger_service_pb2 import TotalState
from watersmeet.type.v1.purpose_pb2 import Purpose

from services.cli.asking import asking
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.balances import amount_of
from services.cli.render import moment, rfc3339, word
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Column, Kind, Sheet, Value
from services.runtime.currency import decimal

_TIMEOUT_S = 10.0

COLUMNS = (
    Column("purpose"),
    Column("unit"),
    Column("state"),
    Column("amount", Kind.AMOUNT),
    # Of gifts that came into the state; where it is refunded, of refunds.
    Column("count", Kind.NUMBER),
)


class By(StrEnum):
    """What --by takes."""

    PROJECT = "project"
    CAMPAIGN = "campaign"
    HOUR = "hour"
    PARTNER = "partner"

    @property
    def dimension(self) -> "pb.Dimension.ValueType":
        """The same in the contract."""
        return pb.Dimension.Value(f"DIMENSION_{self.name}")


def totals(
    by: Annotated[By | None, typer.Option(help="What to tell the totals apart by.")] = None,
    campaign: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only gifts of this campaign.")
    ] = None,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """Show the combined totals. States stand apart and are never added up.

    Nor are charity and personal appeals.
    """
    request = pb.GetTotalsRequest(
        filter=pb.TotalsFilter(campaigns=[] if campaign is None else [campaign]),
        group_by=[] if by is None else [by.dimension],
    )
    with asking(mesh, "gateway") as channel:
        answer = pb_grpc.TotalsServiceStub(channel).GetTotals(request, timeout=_TIMEOUT_S)
    present(
        _sheet(answer, by),
        as_json=as_json,
        as_csv=as_csv,
        xlsx=xlsx,
        document=lambda: _document(answer, by),
    )


def _document(answer: pb.GetTotalsResponse, by: By | None) -> dict[str, Any]:
    """As /v1/totals of the gateway, with each partner's watermark: amounts are text."""
    as_of = answer.as_of
    return {
        "as_of": {
            "sequence": as_of.sequence,
            "time": rfc3339(as_of.time) if as_of.HasField("time") else None,
            "complete_until": {
                partner: rfc3339(as_of.watermarks[partner]) for partner in sorted(as_of.watermarks)
            },
        },
        "group_by": [] if by is None else [by.value],
        "rows": [
            {
                "purpose": _purpose(row),
                "state": _state(row),
                "currency": row.amount.currency_code,
                "micros": str(row.amount.micros),
                "amount": decimal(row.amount.micros, row.amount.currency_code),
                "count": row.count,
                **({} if by is None else {by.value: _value(row, by)}),
            }
            for row in answer.rows
        ],
    }


def _sheet(answer: pb.GetTotalsResponse, by: By | None) -> Sheet:
    """A line for each number, those of one value together."""
    columns = COLUMNS if by is None else (Column(by.value), *COLUMNS)
    rows = sorted(
        answer.rows,
        key=lambda row: (
            "" if by is None else _value(row, by),
            row.purpose,
            row.amount.currency_code,
            row.state,
        ),
    )
    return Sheet("totals", columns, (tuple(_cells(row, by)) for row in rows), _facts(answer.as_of))


def _cells(row: pb.TotalsRow, by: By | None) -> Iterable[Value]:
    if by is not None:
        yield _value(row, by) or "(none)"
    yield _purpose(row)
    yield row.amount.currency_code
    yield _state(row)
    yield amount_of(row.amount)
    yield row.count


def _facts(as_of: pb.AsOf) -> dict[str, Value]:
    facts: dict[str, Value] = {"as_of_entry": as_of.sequence}
    if as_of.HasField("time"):
        facts["as_of"] = moment(as_of.time)
    for partner in sorted(as_of.watermarks):
        facts[f"{partner} is complete until"] = moment(as_of.watermarks[partner])
    return facts


def _state(row: pb.TotalsRow) -> str:
    return word(TotalState, row.state)


def _purpose(row: pb.TotalsRow) -> str:
    return word(Purpose, row.purpose)


def _value(row: pb.TotalsRow, by: By) -> str:
    return rfc3339(row.hour) if by is By.HOUR else str(getattr(row, by.value))
