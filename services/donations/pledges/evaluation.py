"""What an order comes to: exact arithmetic, in whole numbers alone.

A share is counted in millionths of a micro, in which every rate of every price is whole. An order's
gift is its share cut down to the pledge's unit: never more than what was paid, never less for a
higher price, and the same whatever came before it. What is cut off is no less exact: the sum of the
shares less the sum of what was given, at any time and in any order.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.donations.pledges.pledge import (
    MILLION,
    PART_SEPARATOR,
    OrderSums,
    Pledge,
    PledgedOrder,
    Share,
)


class Part(NamedTuple):
    """One project's part of an order's gift. place: in the pledge, from 1."""

    place: int
    project: str
    micros: int


class Account(NamedTuple):
    """What a pledge's orders come to. share, remainder: in millionths of a micro."""

    orders: int
    paid_micros: int
    share: int
    given_micros: int

    @property
    def remainder(self) -> int:
        """What was cut off and not given yet."""
        return self.share - self.given_micros * MILLION


def basis_micros(pledge: Pledge, paid_micros: int) -> int:
    """What of an order adds up to the pledge's share: see OrderSums."""
    return paid_micros if pledge.rate_ppm else min(pledge.fixed_micros, paid_micros)


def share_of(pledge: Pledge, basis: int) -> int:
    """The exact share, in millionths of a micro, of one order's basis or of many orders'."""
    return basis * (pledge.rate_ppm or MILLION)


def whole_units(pledge: Pledge, share: int) -> int:
    """A share, in millionths of a micro, cut down to the pledge's unit: in micros."""
    return share // (pledge.unit_micros * MILLION) * pledge.unit_micros


def given_micros(pledge: Pledge, paid_micros: int) -> int:
    """What an order gives, in micros."""
    return whole_units(pledge, share_of(pledge, basis_micros(pledge, paid_micros)))


def apportioned(units: int, weights: Sequence[int]) -> list[int]:
    """Divides units by largest remainder: the parts sum to the whole.

    Each part is its exact part, cut down or up to a whole number. Of equal remainders the earlier
    one comes first, so that the same is always divided in the same way.
    """
    if len(weights) == 1:
        return [units]
    whole = sum(weights)
    parts = [units * weight // whole for weight in weights]
    left = units - sum(parts)
    if not left:
        return parts
    by_remainder = sorted(range(len(weights)), key=lambda place: -(units * weights[place] % whole))
    for place in by_remainder[:left]:
        parts[place] += 1
    return parts


def parts_of(pledge: Pledge, given: int) -> Iterator[Part]:
    """What each project gets of a gift; projects that get nothing are left out."""
    if not given:
        return
    shares: Sequence[Share] = pledge.shares
    units = apportioned(given // pledge.unit_micros, [share.weight for share in shares])
    for place, (share, count) in enumerate(zip(shares, units, strict=True), 1):
        if count:
            yield Part(place, share.project, count * pledge.unit_micros)


def gift_id(order_id: str, place: int) -> str:
    """The id of an order's gift to the project at a place of the pledge."""
    return f"{order_id}{PART_SEPARATOR}{place}"


def account_of(pledge: Pledge, sums: OrderSums) -> Account:
    """The exact account of a pledge's orders."""
    share = share_of(pledge, sums.basis_micros)
    return Account(sums.orders, sums.paid_micros, share, sums.given_micros)


def remainder_order(pledge: Pledge, sums: OrderSums, order_id: str) -> PledgedOrder | None:
    """The whole units of a pledge's remainder, as an order; None if it comes to none."""
    given = whole_units(pledge, account_of(pledge, sums).remainder)
    if not given:
        return None
    return PledgedOrder(pledge.partner, order_id, pledge.id, 0, given, sums.latest_micros)
