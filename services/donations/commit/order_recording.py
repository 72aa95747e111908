"""The orders of a group: they become rows, and let their gifts pass once.

An order is what is repeated, not its gifts: whether they are recorded is decided by the order. So
an order that comes again with other content gives nothing, even where it would give to projects
that got nothing the first time.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.donations.commit.group import Group
from services.donations.domain import Outcome
from services.donations.gifts.columns import Ints
from services.donations.store import gifts, orders
from services.donations.store.claims import Claim
from services.donations.store.driver import Driver
from services.runtime.errors import Fault, Reason


async def record_orders(
    driver: Driver, group: Group, batch_id: UUID
) -> tuple[list[int], NDArray[np.bool_]]:
    """Returns each order's fate, and which gifts may be recorded now, in key order."""
    fates = await orders.insert(driver, group.orders, batch_id)
    if group.gifts is None:
        return fates, np.empty(0, dtype=np.bool_)
    # One more, so that -1 is the gifts that belong to no order.
    passes = np.array([*(fate == gifts.NEW for fate in fates), True], dtype=np.bool_)
    return fates, passes[_orders_of_gifts(group)]


def order_outcomes(
    group: Group, fates: Sequence[int], outcomes: NDArray[np.uint8]
) -> list[Outcome]:
    """What became of each order. outcomes: of its gifts, in key order.

    Raises Fault(DONATION_CONFLICT) if a new order's gift was there before its order: it was
    reported directly, and the order's own would be missing. The transaction must then be rolled
    back.
    """
    suspended = set[int]()
    if group.gifts is not None:
        by_gift = _orders_of_gifts(group)
        unusual = np.flatnonzero((outcomes != Outcome.ACCEPTED) & (by_gift >= 0))
        for place in unusual.tolist():
            order = int(by_gift[place])
            if fates[order] != gifts.NEW:
                continue
            if outcomes[place] != Outcome.SUSPENDED:
                raise Fault(
                    Reason.DONATION_CONFLICT,
                    f"the gift {group.gifts.external_ids[place].decode()} was reported before its "
                    "order and without it; nothing of the call is recorded; leave the order out, "
                    "or give it another id",
                )
            suspended.add(order)
    answers = {gifts.SAME: Outcome.REPLAYED, gifts.OTHER: Outcome.CONFLICTING}
    return [
        answers.get(fate, Outcome.SUSPENDED if order in suspended else Outcome.ACCEPTED)
        for order, fate in enumerate(fates)
    ]


def order_claims(group: Group, fates: Sequence[int]) -> Iterable[Claim]:
    """Orders that say otherwise than what is recorded.

    A gift of remainders, for which nothing was paid, is no report of anybody.
    """
    for (key, order), fate in zip(group.orders, fates, strict=True):
        if fate == gifts.OTHER and order.paid_micros:
            yield Claim(
                key,
                "",
                Reason.ORDER_CONFLICT,
                {
                    "pledge_id": order.pledge_id,
                    "paid_micros": order.paid_micros,
                    "given_micros": order.given_micros,
                    "event_time_micros": order.event_time_micros,
                    "participant_token": order.participant_token.hex(),
                },
            )


def _orders_of_gifts(group: Group) -> Ints:
    """For each gift, in key order, the position of its order; -1 if it has none."""
    assert group.gifts is not None, "there are gifts"
    assert group.gift_orders is not None, "there are orders"
    return group.gift_orders[group.gifts.order]
