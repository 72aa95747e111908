"""Where protobuf meets what is recorded of a gift and of its life."""

from watersmeet.donations.v1 import batch_service_pb2
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb

from services.donations.convert import money, timestamp_of, timestamp_of_micros
from services.donations.life.recorded import (
    RecordedGift,
    RecordedMove,
    RecordedRefund,
    RecordedReport,
)
from services.donations.life.reports import Dispute


def donation_message(recorded: RecordedGift) -> pb.Donation:
    """A gift as it is recorded."""
    gift = recorded.gift
    return pb.Donation(
        partner=gift.partner,
        external_id=gift.external_id,
        project=gift.project,
        campaign=gift.campaign,
        amount=money(gift.currency, gift.amount_micros),
        refunded=money(gift.currency, recorded.refunded_micros),
        event_time=timestamp_of_micros(gift.event_time_micros),
        recorded_time=timestamp_of(recorded.recorded_time),
        state=pb.DonationState.ValueType(recorded.state),
        batch_id=str(recorded.batch_id),
        suspended=recorded.suspended,
        refunds=map(refund_message, recorded.refunds),
        reports=map(report_message, recorded.reports),
        disputes=map(dispute_message, recorded.disputes),
        events=(_event_message(move, gift.currency) for move in recorded.moves),
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
