"""Options that say which entries count: those written by then, about days up to then."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from watersmeet.ledger.v1 import ledger_service_pb2 as pb

AtEntry = Annotated[
    int | None, typer.Option("--at-entry", min=0, metavar="N", help="As of this entry.")
]
AtTime = Annotated[
    datetime | None,
    typer.Option(
        "--at-time",
        formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"],
        help="As of what was written at this time (UTC) or before.",
    ),
]
ValueDate = Annotated[
    datetime | None,
    typer.Option(
        "--value-date",
        formats=["%Y-%m-%d"],
        help="Only what counts for this day (in China) or before.",
    ),
]


def as_of_message(
    at_entry: int | None, at_time: datetime | None, value_date: datetime | None
) -> pb.AsOf:
    """The options in the contract's form. Raises typer.BadParameter for two that exclude."""
    if at_entry is not None and at_time is not None:
        raise typer.BadParameter("give either --at-entry or --at-time")
    as_of = pb.AsOf(value_date=value_date.date().isoformat() if value_date else "")
    if at_entry is not None:
        as_of.sequence = at_entry
    if at_time is not None:
        as_of.recorded_time.FromDatetime(at_time.replace(tzinfo=UTC))
    return as_of
