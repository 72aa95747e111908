"""`watersmeet totals`: the combined totals, as the gateway has them."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from watersmeet.gateway.v1 import totals_service_pb2 as pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1.ledger_service_pb2 import TotalState
from watersmeet.type.v1.purpose_pb2 import Purpose

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.options import DEFAULT_STATE, StateDirectory
from services.cli.render import amount, moment, print_json, rfc3339, word
from services.runtime.currency import decimal

_TIMEOUT_S = 10.0
_SPOKEN = {"suspense": "in suspense"}
_COUNTED = {"refunded": "refunds"}  # others count gifts


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
    state: StateDirectory = DEFAULT_STATE,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the combined totals. States stand apart and are never added up.

    Nor are charity and personal appeals.
    """
    request = pb.GetTotalsRequest(
        filter=pb.TotalsFilter(campaigns=[] if campaign is None else [campaign]),
        group_by=[] if by is None else [by.dimension],
    )
    with asking(state, "gateway") as channel:
        answer = pb_grpc.TotalsServiceStub(channel).GetTotals(request, timeout=_TIMEOUT_S)
    if as_json:
        print_json(_document(answer, by))
    else:
        _show(make_console(), answer, by)


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


def _show(console: Console, answer: pb.GetTotalsResponse, by: By | None) -> None:
    console.print(_table(answer.rows, by) if answer.rows else "No gifts yet.")
    as_of = answer.as_of
    if as_of.HasField("time"):
        console.print(f"As of entry {as_of.sequence:,}, {moment(as_of.time)}.", style="dim")
    for partner in sorted(as_of.watermarks):
        until = moment(as_of.watermarks[partner])
        console.print(f"{partner} is complete until {until}.", style="dim", markup=False)


def _table(rows: Sequence[pb.TotalsRow], by: By | None) -> Table:
    """A line for each purpose, value and currency; a pair of columns for each state there is."""
    states = list(dict.fromkeys(_state(row) for row in rows))
    table = Table(header_style="bold")
    if by is not None:
        table.add_column(by.value, overflow="fold")
    table.add_column("purpose")
    table.add_column("currency")
    for state in states:
        table.add_column(_SPOKEN.get(state, state), justify="right", no_wrap=True)
        table.add_column(_COUNTED.get(state, "gifts"), justify="right", no_wrap=True, style="dim")
    lines: dict[tuple[Purpose.ValueType, str, str], dict[str, pb.TotalsRow]] = {}
    for row in rows:
        value = "" if by is None else _value(row, by)
        lines.setdefault((row.purpose, value, row.amount.currency_code), {})[_state(row)] = row
    for (_, value, currency), of_state in sorted(lines.items()):
        cells = [] if by is None else [value or "(none)"]
        cells += [_purpose(next(iter(of_state.values()))), currency]
        for state in states:
            found = of_state.get(state)
            cells += _pair(found) if found else ["", ""]
        table.add_row(*cells)
    return table


def _pair(row: pb.TotalsRow) -> list[str]:
    return [amount(row.amount.micros, row.amount.currency_code), f"{row.count:,}"]


def _state(row: pb.TotalsRow) -> str:
    return word(TotalState, row.state)


def _purpose(row: pb.TotalsRow) -> str:
    return word(Purpose, row.purpose)


def _value(row: pb.TotalsRow, by: By) -> str:
    return rfc3339(row.hour) if by is By.HOUR else str(getattr(row, by.value))
