"""Requests as partners send them."""

import uuid
from collections.abc import Sequence
from typing import Any

from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.type.v1 import money_pb2

from services.donations.domain import Gift, Refund


def stamp(micros: int) -> Any:
    from google.protobuf.timestamp_pb2 import Timestamp

    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1_000)


def request_id() -> str:
    return str(uuid.uuid4())


def donation_request(gift: Gift, **changes: Any) -> pb.RecordDonationRequest:
    """A gift alone."""
    fields: dict[str, Any] = {
        "request_id": request_id(),
        "external_id": gift.external_id,
        "project": gift.project,
        "campaign": gift.campaign,
        "amount": money_pb2.Money(currency_code=gift.currency, micros=gift.amount_micros),
        "event_time": stamp(gift.event_time_micros),
    }
    return pb.RecordDonationRequest(**(fields | changes))


def refund_request(refund: Refund, **changes: Any) -> pb.RecordRefundRequest:
    """A refund."""
    fields: dict[str, Any] = {
        "request_id": request_id(),
        "external_id": refund.external_id,
        "refund_id": refund.refund_id,
        "amount": money_pb2.Money(currency_code=refund.currency, micros=refund.amount_micros),
        "event_time": stamp(refund.event_time_micros),
    }
    return pb.RecordRefundRequest(**(fields | changes))


def opening(stream_id: str = "s", **changes: Any) -> pb.StreamDonationsRequest:
    """The first message of a stream."""
    fields = {"request_id": request_id(), "stream_id": stream_id} | changes
    return pb.StreamDonationsRequest(opening=pb.StreamOpening(**fields))


def batch(offset: int, gifts: Sequence[Gift], **changes: Any) -> pb.StreamDonationsRequest:
    """A batch of gifts in one currency."""
    projects = sorted({gift.project for gift in gifts})
    campaigns = sorted({gift.campaign for gift in gifts})
    fields: dict[str, Any] = {
        "offset": offset,
        "currency_code": gifts[0].currency if gifts else "CNY",
        "external_ids": [gift.external_id for gift in gifts],
        "amounts_micros": [gift.amount_micros for gift in gifts],
        "event_times_micros": [gift.event_time_micros for gift in gifts],
        "projects": projects,
        "project_indexes": [projects.index(gift.project) for gift in gifts],
        "campaigns": campaigns,
        "campaign_indexes": [campaigns.index(gift.campaign) for gift in gifts],
        "control_totals": pb.ControlTotals(
            count=len(gifts), micros=sum(gift.amount_micros for gift in gifts)
        ),
    }
    return pb.StreamDonationsRequest(batch=pb.DonationBatch(**(fields | changes)))
