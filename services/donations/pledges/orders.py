"""A batch of orders: checked row by row, and evaluated by the pledges that they name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.donations.domain import Gift
from services.donations.gifts.tokens import DonorTokens
from services.donations.gifts.validation import (
    AMOUNT_MICROS_MAX,
    DONOR_REFERENCE_BYTES_MAX,
    is_external_id,
    require_event_time,
)
from services.donations.pledges.evaluation import gift_id, given_micros, parts_of
from services.donations.pledges.pledge import (
    REMAINDER_PREFIX,
    Pledge,
    PledgedOrder,
    version_at,
)
from services.runtime.errors import Fault, Reason

ORDERS_MAX = 1_000
"""The most orders of one call: SHARES_MAX times as many gifts fit a batch's lines."""

ORDER_ID_LENGTH_MAX = 60
"""Leaves room for what makes a gift's id of it."""


@dataclass(frozen=True, slots=True)
class IncomingOrder:
    """An order as its partner sent it, not yet checked.

    event_time_micros: None if it was left out.
    """

    order_id: str
    pledge: str
    paid_micros: int
    currency: str
    event_time_micros: int | None
    shopper_reference: str = field(default="", repr=False)


class Evaluated(NamedTuple):
    """Orders that may be recorded, and what became of the others.

    rows: the orders' positions in the batch. gifts: what they give. gift_orders: for each gift the
    position of its order in orders. problems: by position in the batch.
    """

    orders: Sequence[PledgedOrder]
    rows: Sequence[int]
    gifts: Sequence[Gift]
    gift_orders: Sequence[int]
    problems: Mapping[int, Fault]


def require_batch(count: int, most: int, noun: str) -> None:
    """Raises Fault(BATCH_SIZE_INVALID) unless a call holds 1 to `most` of something."""
    if not 1 <= count <= most:
        raise Fault(Reason.BATCH_SIZE_INVALID, f"the call has {count} {noun}; send 1 to {most:,}")


def evaluated(
    partner: str,
    incoming: Sequence[IncomingOrder],
    pledges: Mapping[str, Sequence[Pledge]],
    latest: int,
    tokens: DonorTokens,
) -> Evaluated:
    """Checks and evaluates each order. latest: see validation.latest_micros.

    pledges: the versions, by start, of each pledge that an order names and that there is.
    """
    orders: list[PledgedOrder] = []
    rows: list[int] = []
    gifts: list[Gift] = []
    gift_orders: list[int] = []
    problems: dict[int, Fault] = {}
    for row, order in enumerate(incoming):
        try:
            moment = _checked_moment(order, latest)
            pledge = _pledge_of(order, pledges.get(order.pledge, ()), moment)
        except Fault as fault:
            problems[row] = fault
            continue
        kept = PledgedOrder(
            partner,
            order.order_id,
            pledge.id,
            order.paid_micros,
            given_micros(pledge, order.paid_micros),
            moment,
            tokens.token(partner, order.shopper_reference),
        )
        made = gifts_of(pledge, kept)
        gift_orders += [len(orders)] * len(made)
        gifts += made
        orders.append(kept)
        rows.append(row)
    return Evaluated(orders, rows, gifts, gift_orders, problems)


def gifts_of(pledge: Pledge, order: PledgedOrder) -> list[Gift]:
    """An order's gifts: the merchant's, to each project of the pledge that gets something."""
    return [
        Gift(
            order.partner,
            gift_id(order.order_id, part.place),
            part.project,
            pledge.campaign,
            part.micros,
            pledge.currency,
            order.event_time_micros,
            pledge.merchant_token,
        )
        for part in parts_of(pledge, order.given_micros)
    ]


def require_order_id(text: str) -> str:
    """Returns text if it can be an order's id; raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    if not text:
        raise Fault(Reason.FIELD_REQUIRED, "send your own id of the order", field="order_id")
    if len(text) > ORDER_ID_LENGTH_MAX or not is_external_id(text):
        raise Fault(
            Reason.FIELD_INVALID,
            f"order_id must be 1 to {ORDER_ID_LENGTH_MAX} printable ASCII characters without "
            "spaces",
            field="order_id",
        )
    return text


def _checked_moment(order: IncomingOrder, latest: int) -> int:
    """The order's time, if all that can be checked without its pledge is right."""
    if require_order_id(order.order_id).startswith(REMAINDER_PREFIX):
        raise Fault(
            Reason.FIELD_INVALID,
            f"order_id must not begin with {REMAINDER_PREFIX!r}, which names gifts of remainders",
            field="order_id",
        )
    if not order.pledge:
        raise Fault(Reason.FIELD_REQUIRED, "name the order's pledge", field="pledge")
    if order.paid_micros <= 0:
        raise Fault(Reason.AMOUNT_NOT_POSITIVE, "paid must be positive", field="paid")
    if order.paid_micros > AMOUNT_MICROS_MAX:
        raise Fault(
            Reason.AMOUNT_OVER_LIMIT,
            "paid is above what one order may be",
            field="paid",
            limit_micros=str(AMOUNT_MICROS_MAX),
        )
    moment = order.event_time_micros
    if moment is None:
        raise Fault(Reason.FIELD_REQUIRED, "say when the receipt was confirmed", field="event_time")
    require_event_time(moment, latest)
    reference = order.shopper_reference
    # A character has at most four bytes, so most need not be encoded to be counted.
    is_long = len(reference) * 4 > DONOR_REFERENCE_BYTES_MAX
    if is_long and len(reference.encode()) > DONOR_REFERENCE_BYTES_MAX:
        raise Fault(
            Reason.FIELD_INVALID,
            f"shopper_reference must be at most {DONOR_REFERENCE_BYTES_MAX} bytes",
            field="shopper_reference",
        )
    return moment


def _pledge_of(order: IncomingOrder, versions: Sequence[Pledge], moment: int) -> Pledge:
    if not versions:
        raise Fault(
            Reason.PLEDGE_NOT_FOUND,
            "there is no pledge of this code; create it, and send the order again",
            field="pledge",
        )
    pledge = version_at(versions, moment)
    if pledge is None:
        raise Fault(
            Reason.PLEDGE_NOT_IN_FORCE,
            "no version of the pledge holds at the order's event_time: it had not begun, or had "
            "ended",
            field="pledge",
        )
    if order.currency != pledge.currency:
        raise Fault(
            Reason.CURRENCY_MISMATCH,
            f"the pledge is in {pledge.currency}, and the order was paid in another currency",
            field="paid",
        )
    return pledge
