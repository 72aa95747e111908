"""Where protobuf meets pledges and orders, in both directions."""

from collections.abc import Mapping, Sequence

from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import pledge_service_pb2 as pb

from services.donations.commit.submission import Committed
from services.donations.desks.pledges import PledgeFate
from services.donations.domain import Outcome
from services.donations.gifts.tokens import DonorTokens
from services.donations.pledges.evaluation import Account, gift_id, parts_of
from services.donations.pledges.orders import Evaluated, IncomingOrder
from services.donations.pledges.pledge import MILLION, Pledge, PledgedOrder, Share
from services.donations.pledges.rules import require_merchant_reference
from services.donations.wire.convert import (
    micros_of_timestamp,
    money,
    outcome_value,
    problem_of,
    required_micros,
    timestamp_of_micros,
)
from services.runtime.errors import Fault, Reason

_ORDER_CONFLICT = Fault(
    Reason.ORDER_CONFLICT,
    "this order id was recorded before with other content; the first report stands, and this one "
    "is kept as a claim; a new order needs an id of its own",
)


def draft_of(draft: pb.PledgeDraft, partner: str, tokens: DonorTokens) -> Pledge | Fault:
    """A pledge to create, its rules not yet checked; the Fault if it cannot be read."""
    try:
        return _draft_of(draft, partner, tokens)
    except Fault as fault:
        return fault


def _draft_of(draft: pb.PledgeDraft, partner: str, tokens: DonorTokens) -> Pledge:
    if not draft.HasField("pledge"):
        raise _required("pledge")
    pledge = draft.pledge
    if pledge.WhichOneof("gift") is None:
        raise _required("pledge.rate_ppm", "rate_ppm or fixed_micros is required")
    if pledge.HasField("fixed_micros") and pledge.fixed_micros <= 0:
        raise Fault(
            Reason.FIELD_INVALID,
            "pledge.fixed_micros must be positive",
            field="pledge.fixed_micros",
        )
    if pledge.rounding != pb.PLEDGE_ROUNDING_LARGEST_REMAINDER:
        raise _required("pledge.rounding")
    if not pledge.HasField("start_time"):
        raise _required("pledge.start_time")
    return Pledge(
        partner,
        pledge.code,
        0,
        pledge.rate_ppm,
        pledge.fixed_micros,
        pledge.currency_code,
        tuple(Share(share.project, share.weight) for share in pledge.shares),
        pledge.campaign,
        micros_of_timestamp(pledge.start_time, "pledge.start_time"),
        (
            micros_of_timestamp(pledge.end_time, "pledge.end_time")
            if pledge.HasField("end_time")
            else None
        ),
        pledge.unit_micros,
        tokens.token(partner, require_merchant_reference(draft.merchant_reference)),
    )


def end_of(request: pb.EndPledgeRequest) -> int:
    """When a pledge ends. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    return required_micros(request, "end_time")


def fate_message(fate: PledgeFate) -> pb.PledgeResult:
    """What became of a draft."""
    return pb.PledgeResult(
        outcome=outcome_value(fate.outcome),
        version=fate.version,
        problem=problem_of(fate.problem) if fate.problem else None,
    )


def pledge_message(pledge: Pledge) -> pb.Pledge:
    """A pledge as it is kept."""
    until = pledge.until_micros
    message = pb.Pledge(
        partner=pledge.partner,
        code=pledge.code,
        version=pledge.version,
        currency_code=pledge.currency,
        shares=[pb.PledgeShare(project=s.project, weight=s.weight) for s in pledge.shares],
        campaign=pledge.campaign,
        start_time=timestamp_of_micros(pledge.start_micros),
        end_time=None if until is None else timestamp_of_micros(until),
        unit_micros=pledge.unit_micros,
        rounding=pb.PLEDGE_ROUNDING_LARGEST_REMAINDER,
    )
    if pledge.rate_ppm:
        message.rate_ppm = pledge.rate_ppm
    else:
        message.fixed_micros = pledge.fixed_micros
    return message


def account_message(account: Account) -> pb.PledgeAccount:
    """What a pledge's orders come to."""
    share, share_millionths = divmod(account.share, MILLION)
    remainder, remainder_millionths = divmod(account.remainder, MILLION)
    return pb.PledgeAccount(
        orders=account.orders,
        paid_micros=account.paid_micros,
        share_micros=share,
        share_millionths=share_millionths,
        given_micros=account.given_micros,
        remainder_micros=remainder,
        remainder_millionths=remainder_millionths,
    )


def incoming_orders(request: pb.RecordOrdersRequest) -> list[IncomingOrder]:
    """Orders as they came, not yet checked."""
    return [
        IncomingOrder(
            order.order_id,
            order.pledge,
            order.paid.micros,
            order.paid.currency_code,
            _moment(order),
            order.shopper_reference,
        )
        for order in request.orders
    ]


def _moment(order: pb.Order) -> int | None:
    """None if it was left out; before all others if it is none."""
    if not order.HasField("event_time"):
        return None
    try:
        return micros_of_timestamp(order.event_time, "event_time")
    except Fault:
        return -MILLION


def recorded_message(batch: Evaluated, committed: Committed | None) -> pb.RecordOrdersResponse:
    """What became of a batch of orders."""
    outcomes: Sequence[Outcome] = committed.orders if committed else ()
    rows = {row: _refused(row, fault) for row, fault in batch.problems.items()}
    for row, outcome in zip(batch.rows, outcomes, strict=True):
        if outcome in (Outcome.SUSPENDED, Outcome.CONFLICTING):
            conflicts = outcome is Outcome.CONFLICTING
            rows[row] = intake_pb.RowResult(
                index=row,
                outcome=outcome_value(outcome),
                problem=problem_of(_ORDER_CONFLICT) if conflicts else None,
            )
    counted: Mapping[Outcome, int] = {kind: outcomes.count(kind) for kind in set(outcomes)}
    suspended = counted.get(Outcome.SUSPENDED, 0)
    accepted = counted.get(Outcome.ACCEPTED, 0) + suspended
    carried = committed is not None and committed.batch_id is not None and accepted
    return pb.RecordOrdersResponse(
        accepted=accepted,
        replayed=counted.get(Outcome.REPLAYED, 0),
        conflicting=counted.get(Outcome.CONFLICTING, 0),
        suspended=suspended,
        refused=len(batch.problems),
        rows=[rows[row] for row in sorted(rows)],
        batch_id=str(committed.batch_id) if committed and carried else "",
    )


def _refused(row: int, fault: Fault) -> intake_pb.RowResult:
    return intake_pb.RowResult(
        index=row, outcome=intake_pb.OUTCOME_REFUSED, problem=problem_of(fault)
    )


def order_message(order: PledgedOrder, pledge: Pledge) -> pb.GetOrderResponse:
    """An order and its gifts."""
    return pb.GetOrderResponse(
        partner=order.partner,
        order_id=order.order_id,
        paid=money(pledge.currency, order.paid_micros),
        event_time=timestamp_of_micros(order.event_time_micros),
        pledge=pledge.code,
        pledge_version=pledge.version,
        has_participant=bool(order.participant_token),
        gifts=[
            pb.OrderGift(
                external_id=gift_id(order.order_id, part.place),
                project=part.project,
                amount=money(pledge.currency, part.micros),
            )
            for part in parts_of(pledge, order.given_micros)
        ],
    )


def _required(field: str, message: str = "") -> Fault:
    return Fault(Reason.FIELD_REQUIRED, message or f"{field} is required", field=field)
