"""Periods, between protobuf and the domain."""

from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.ledger.v1 import period_service_pb2 as pb

from services.ledger.domain import EntryDraft
from services.ledger.journal.periods import (
    Period,
    PeriodAction,
    PeriodDecision,
    Periods,
    PeriodState,
    draft_of_period,
    period_of,
)
from services.ledger.store.periods import LateArrival
from services.ledger.wire.convert import entry_id_of, required_time, stamp_of, transfer_message
from services.runtime.errors import Fault, Reason

_STATES = {state: pb.PeriodState.Value(f"PERIOD_STATE_{state.name}") for state in PeriodState}


def decision_of(request: pb.DecidePeriodRequest, by: str) -> EntryDraft:
    """A decision on a period, as the entry that it becomes. by: who decides.

    Raises Fault(FIELD_REQUIRED or FIELD_INVALID).
    """
    if not request.action:
        raise Fault(Reason.FIELD_REQUIRED, "say what is decided", field="action")
    try:
        action = PeriodAction(request.action)
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID, "action is none of those that there are", field="action"
        ) from None
    return draft_of_period(
        entry_id_of(request.request_id, "request_id"),
        PeriodDecision(period_of(request.period), action, by),
        value_time=required_time(request),
        document=request.document,
    )


def period_message(period: Period, periods: Periods) -> pb.Period:
    """A period."""
    proposal = periods.proposals.get(period.name)
    return pb.Period(
        name=period.name,
        time_zone=period.calendar,
        state=_STATES[periods.states.get(period.name, PeriodState.OPEN)],
        reopening_proposed_by=proposal.by if proposal else "",
        reopening_sequence=proposal.sequence if proposal else 0,
    )


def late_message(arrival: LateArrival) -> pb.LateArrival:
    """A movement that came late."""
    late = arrival.late
    return pb.LateArrival(
        name=ledger_pb.TransferName(sequence=late.sequence, position=late.position),
        value_date=late.value_date.isoformat(),
        book_date=arrival.book_date.isoformat(),
        recorded_time=stamp_of(arrival.recorded_time),
        transfer=transfer_message(arrival.transfer),
        time_zone=arrival.calendar,
    )
