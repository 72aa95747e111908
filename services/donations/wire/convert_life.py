"""Where protobuf meets what is reported and recorded of a gift's life."""

from watersmeet.donations.v1 import batch_service_pb2
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1 import life_service_pb2 as life_pb

from services.donations.allocation.allocation import RecordedAllocation
from services.donations.commit.submission import Fate
from services.donations.life.recorded import (
    RecordedGift,
    RecordedMove,
    RecordedRefund,
    RecordedReport,
)
from services.donations.life.reports import STAGES, Dispute, DisputeStatus, StageEvent
from services.donations.wire.convert import (
    money,
    outcome_value,
    problem,
    required_amount,
    required_micros,
    timestamp_of,
    timestamp_of_micros,
)
from services.runtime.errors import Fault, Reason

CONFLICTS = {
    Reason.REFUND_CONFLICT: (
        "this refund id was recorded before with other content; the first report stands, and this "
        "one is kept as a claim; a new refund needs an id of its own"
    ),
    Reason.DISPUTE_CONFLICT: (
        "this status of this dispute was recorded before with other content; the first report "
        "stands, and this one is kept as a claim"
    ),
    Reason.STAGE_CONFLICT: (
        "this event id was recorded before with other content; the first report stands, and this "
        "one is kept as a claim"
    ),
    Reason.REPORTS_EXCEEDED: (
        "of this gift so many refunds, disputes or events are recorded that no more are taken; the "
        "report is kept as a claim; check what is sent under this gift's id"
    ),
    Reason.CURRENCY_MISMATCH: (
        "the report names another currency than its gift has; it is kept as a claim and not booked"
    ),
}
"""What is said of a report that contradicts what is recorded."""


def dispute_of(request: life_pb.RecordDisputeRequest, partner: str) -> Dispute:
    """The dispute as reported, not yet checked. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    amount = required_amount(request)
    if int(request.status) not in tuple(DisputeStatus):
        raise Fault(Reason.FIELD_REQUIRED, "say what became of the dispute", field="status")
    return Dispute(
        partner,
        request.external_id,
        request.dispute_id,
        DisputeStatus(request.status),
        amount.micros,
        amount.currency_code,
        required_micros(request, "event_time"),
    )


def stage_of(event: life_pb.StageEvent) -> StageEvent:
    """The event as reported, not yet checked. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    stage = next((stage for stage in STAGES if stage == int(event.stage)), None)
    if stage is None:
        raise Fault(
            Reason.FIELD_INVALID, "a stage must be SETTLED, RECEIVED or SPENT", field="events.stage"
        )
    return StageEvent(
        event.partner,
        event.external_id,
        event.event_id,
        stage,
        required_micros(event, "event_time"),
    )


def stage_result_message(fate: Fate) -> life_pb.StageResult:
    """What became of an event."""
    reason = fate.reason
    return life_pb.StageResult(
        outcome=outcome_value(fate.outcome),
        problem=None if reason is None else problem(reason, CONFLICTS[reason]),
    )


def donation_message(recorded: RecordedGift, *, names_decider: bool) -> pb.Donation:
    """A gift as it is recorded. names_decider: whether to say who allocated it."""
    gift = recorded.gift
    allocation = recorded.allocation
    return pb.Donation(
        partner=gift.partner,
        external_id=gift.external_id,
        project=gift.project,
        campaign=gift.campaign,
        amount=money(gift.currency, gift.amount_micros),
        refunded=money(recorded.booked_currency, recorded.refunded_micros),
        event_time=timestamp_of_micros(gift.event_time_micros),
        recorded_time=timestamp_of(recorded.recorded_time),
        state=pb.DonationState.ValueType(recorded.state),
        batch_id=str(recorded.batch_id),
        suspended=recorded.suspended,
        refunds=map(refund_message, recorded.refunds),
        reports=map(report_message, recorded.reports),
        disputes=map(dispute_message, recorded.disputes),
        events=(_event_message(move, recorded.booked_currency) for move in recorded.moves),
        allocation=_allocation_message(allocation, names_decider) if allocation else None,
        allocations=(_allocation_message(each, names_decider) for each in recorded.allocations),
    )


def _allocation_message(
    allocation: RecordedAllocation, names_decider: bool
) -> pb.DonationAllocation:
    return pb.DonationAllocation(
        project=allocation.project,
        campaign=allocation.campaign,
        caller=allocation.caller if names_decider else "",
        request_id=str(allocation.request_id) if names_decider else "",
        allocate_time=timestamp_of(allocation.allocate_time),
    )


def refund_message(refund: RecordedRefund) -> pb.Refund:
    """A refund as it is recorded."""
    return pb.Refund(
        refund_id=refund.refund_id,
        amount=money(refund.currency, refund.amount_micros),
        cumulative=refund.cumulative,
        event_time=timestamp_of_micros(refund.event_time_micros),
        batch_id=str(refund.batch_id) if refund.batch_id else "",
        partner=refund.partner,
    )


def report_message(report: RecordedReport) -> pb.DonationReport:
    """One company's report of a gift."""
    gift_partner, gift_external_id = report.belongs_to
    return pb.DonationReport(
        partner=report.partner,
        external_id=report.external_id,
        amount=money(report.currency, report.amount_micros),
        event_time=timestamp_of_micros(report.event_time_micros),
        recorded_time=timestamp_of(report.recorded_time),
        batch_id=str(report.batch_id),
        gift_partner=gift_partner,
        gift_external_id=gift_external_id,
        counts=report.counts,
    )


def dispute_message(dispute: Dispute) -> pb.Dispute:
    """A report of a dispute."""
    return pb.Dispute(
        dispute_id=dispute.dispute_id,
        status=pb.DisputeStatus.ValueType(dispute.status),
        amount=money(dispute.currency, dispute.amount_micros),
        event_time=timestamp_of_micros(dispute.event_time_micros),
        partner=dispute.partner,
    )


def _event_message(move: RecordedMove, currency: str) -> pb.LifeEvent:
    return pb.LifeEvent(
        kind=batch_service_pb2.BatchLineKind.ValueType(move.kind),
        amount=money(currency, move.micros),
        recorded_time=timestamp_of(move.recorded_time),
        batch_id=str(move.batch_id),
    )
