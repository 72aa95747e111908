"""Pledges and orders as partners send them."""

from typing import Any

from watersmeet.donations.v1 import pledge_service_pb2 as pb
from watersmeet.errors.v1 import errors_pb2
from watersmeet.type.v1 import money_pb2

from services.donations.pledges.pledge import Pledge, Share
from tests.integration.donations.messages import request_id, stamp
from tests.unit.donations.gifts import NOW_MICROS

FEN = 10_000
TWO = (Share("water", 2), Share("books", 1))
QUARTER_MICROS = 15 * 60 * 1_000_000


def draft(pledge: Pledge, merchant: str = "merchant-7", **changes: Any) -> pb.PledgeDraft:
    """A pledge to create."""
    fields: dict[str, Any] = {
        "code": pledge.code,
        "currency_code": pledge.currency,
        "shares": [pb.PledgeShare(project=s.project, weight=s.weight) for s in pledge.shares],
        "campaign": pledge.campaign,
        "start_time": stamp(pledge.start_micros),
        "end_time": None if pledge.end_micros is None else stamp(pledge.end_micros),
        "unit_micros": pledge.unit_micros,
        "rounding": pb.PLEDGE_ROUNDING_LARGEST_REMAINDER,
    }
    gift = "rate_ppm" if pledge.rate_ppm else "fixed_micros"
    fields[gift] = pledge.rate_ppm or pledge.fixed_micros
    return pb.PledgeDraft(pledge=pb.Pledge(**(fields | changes)), merchant_reference=merchant)


def create(*drafts: pb.PledgeDraft) -> pb.CreatePledgesRequest:
    return pb.CreatePledgesRequest(request_id=request_id(), drafts=drafts)


def order(
    order_id: str = "A1", pledge: str = "spring", paid_micros: int = 1999 * FEN, **changes: Any
) -> pb.Order:
    """An order."""
    fields: dict[str, Any] = {
        "order_id": order_id,
        "pledge": pledge,
        "paid": money_pb2.Money(currency_code="CNY", micros=paid_micros),
        "event_time": stamp(NOW_MICROS - 60_000_000),
        "shopper_reference": "shopper-3",
    }
    return pb.Order(**(fields | changes))


def record(*orders: pb.Order) -> pb.RecordOrdersRequest:
    return pb.RecordOrdersRequest(request_id=request_id(), orders=orders)


def problems_of(answer: Any) -> list[str]:
    """What is said of the rows that have a problem."""
    return [
        errors_pb2.ErrorReason.Name(row.problem.reason).removeprefix("ERROR_REASON_")
        for row in answer.rows
        if row.HasField("problem")
    ]


def counts(answer: Any) -> tuple[int, ...]:
    return (
        answer.accepted,
        answer.replayed,
        answer.conflicting,
        answer.suspended,
        answer.refused,
    )
