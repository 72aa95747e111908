"""Where protobuf meets the gateway's nouns."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern

from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.gateway.v1 import totals_service_pb2 as gateway_pb
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.type.v1 import money_pb2, purpose_pb2

from services.gateway.domain import (
    Amount,
    AsOf,
    Cell,
    FeedBroken,
    Purpose,
    Row,
    TotalState,
)
from services.gateway.query import Dimension, Filter, Query
from services.gateway.watching import Update
from services.runtime.errors import Fault, Reason

_INT64_MAX = 2**63 - 1


# What readers ask.


def query_of(
    chosen: gateway_pb.TotalsFilter, group_by: Sequence[gateway_pb.Dimension.ValueType]
) -> Query:
    """A request's filter and group_by. Raises Fault(FIELD_INVALID)."""
    return Query(
        Filter(
            campaigns=frozenset(chosen.campaigns),
            projects=frozenset(chosen.projects),
            partners=frozenset(chosen.partners),
            currencies=frozenset(chosen.currency_codes),
            states=frozenset(_state_asked(value) for value in chosen.states),
            purposes=frozenset(_purpose_asked(value) for value in chosen.purposes),
            start=_time_asked(chosen, "start_time"),
            end=_time_asked(chosen, "end_time"),
        ),
        tuple(_dimension_asked(value) for value in group_by),
    )


def _state_asked(value: int) -> TotalState:
    try:
        return TotalState(value)
    except ValueError:
        raise _invalid("filter.states", f"{value} is no state of totals") from None


def _purpose_asked(value: int) -> Purpose:
    try:
        return Purpose(value)
    except ValueError:
        raise _invalid("filter.purposes", f"{value} is no purpose of gifts") from None


def _dimension_asked(value: int) -> Dimension:
    try:
        return Dimension(value)
    except ValueError:
        raise _invalid("group_by", f"{value} is no dimension of totals") from None


def _time_asked(chosen: gateway_pb.TotalsFilter, field: str) -> datetime | None:
    if not chosen.HasField(field):  # type: ignore[arg-type]  # one of the two literals
        return None
    try:
        return _datetime(getattr(chosen, field))
    except (ValueError, OverflowError):
        raise _invalid(f"filter.{field}", "the time is not between the years 1 and 9999") from None


def _invalid(field: str, message: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, message, field=field)


# What readers get.

_STATES = {state: ledger_pb.TotalState.ValueType(state) for state in TotalState}
_PURPOSES = {purpose: purpose_pb2.Purpose.ValueType(purpose) for purpose in Purpose}


def row_message(row: Row, group_by: Sequence[Dimension]) -> gateway_pb.TotalsRow:
    """One row, with the fields that group_by names.

    Raises Fault(BALANCE_OVERFLOW) for a sum beyond 64 bits, which no cell is.
    """
    if not -_INT64_MAX <= row.micros <= _INT64_MAX:
        raise Fault(
            Reason.BALANCE_OVERFLOW,
            f"the sum of all that is {row.state.name} in {row.currency} is beyond 64 bits; tell "
            "more dimensions apart, or narrow the filter",
        )
    message = gateway_pb.TotalsRow(
        state=_STATES[row.state],
        amount=money_pb2.Money(currency_code=row.currency, micros=row.micros),
        count=row.gifts,
        purpose=_PURPOSES[row.purpose],
    )
    for dimension, value in zip(group_by, row.values, strict=True):
        if isinstance(value, datetime):
            message.hour.FromDatetime(value)
        else:
            setattr(message, dimension.name.lower(), value)
    return message


def as_of_message(as_of: AsOf) -> gateway_pb.AsOf:
    """Up to where totals are known."""
    message = gateway_pb.AsOf(sequence=as_of.sequence)
    if as_of.time is not None:
        message.time.FromDatetime(as_of.time)
    for partner, time in as_of.watermarks.items():
        message.watermarks[partner].FromDatetime(time)
    return message


def totals_response(
    rows: Iterable[Row], as_of: AsOf, group_by: Sequence[Dimension]
) -> gateway_pb.GetTotalsResponse:
    """The answer to GetTotals."""
    return gateway_pb.GetTotalsResponse(
        rows=[row_message(row, group_by) for row in rows], as_of=as_of_message(as_of)
    )


def watch_response(update: Update, group_by: Sequence[Dimension]) -> gateway_pb.WatchTotalsResponse:
    """One message of WatchTotals."""
    return gateway_pb.WatchTotalsResponse(
        rows=[row_message(row, group_by) for row in update.rows],
        as_of=as_of_message(update.as_of),
        cursor=update.cursor,
        reset=update.since is None,
    )


# What the ledger sends.


def amount_of(cell: ledger_pb.TotalCell) -> Amount:
    """A cell of a snapshot or a change of one. Raises FeedBroken."""
    amount = cell.amount
    key = _cell(
        cell.campaign,
        cell.project,
        cell.partner,
        cell.hour.seconds,
        cell.state,
        amount.currency_code,
        cell.purpose,
    )
    return Amount(key, amount.micros, cell.count)


@lru_cache(maxsize=65_536)
def _cell(
    campaign: str,
    project: str,
    partner: str,
    hour_s: int,
    state_number: int,
    currency: str,
    purpose_number: int,
) -> Cell:
    """What a cell is about. The same ones come again and again, and are kept once."""
    try:
        state = TotalState(state_number)
    except ValueError:
        raise FeedBroken(f"state {state_number} of a total is unknown to this release") from None
    try:
        # A ledger of the release before does not say it; it knew only charity's projects.
        purpose = Purpose(purpose_number or (Purpose.CHARITY if project else Purpose.UNATTRIBUTED))
    except ValueError:
        raise FeedBroken(
            f"purpose {purpose_number} of a total is unknown to this release"
        ) from None
    return Cell(
        intern(campaign),
        intern(project),
        intern(partner),
        _hour(hour_s),
        state,
        intern(currency),
        purpose,
    )


def watermarks_of(watermarks: Mapping[str, Timestamp]) -> dict[str, datetime]:
    """The watermarks of a snapshot, by partner. Raises FeedBroken."""
    return {intern(partner): ledger_time(time) for partner, time in watermarks.items()}


def ledger_time(time: Timestamp) -> datetime:
    """A time that the ledger states. Raises FeedBroken."""
    try:
        return _datetime(time)
    except (ValueError, OverflowError) as error:
        raise FeedBroken(f"the ledger states an impossible time: {error}") from error


@lru_cache(maxsize=16_384)
def _hour(seconds: int) -> datetime:
    return ledger_time(Timestamp(seconds=seconds))


def _datetime(time: Timestamp) -> datetime:
    return time.ToDatetime(UTC)
