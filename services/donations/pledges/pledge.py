"""The nouns of per-order giving: a merchant's pledge in its versions, and an order."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from services.donations.domain import Key

MILLION = 1_000_000
"""Rates are in millionths, and so is what is left of a share beside its whole micros."""

SHARES_MAX = 8
"""The most projects of one pledge."""

PART_SEPARATOR = "/"
"""Between an order's id and the place of a project: the id of a gift."""

REMAINDER_PREFIX = "remainder."
"""What the ids of gifts of remainders begin with, and no order's id does."""


class Share(NamedTuple):
    """One project's part of a pledge."""

    project: str
    weight: int


@dataclass(frozen=True, slots=True)
class Pledge:
    """One version of a pledge, which never changes but for learning its end.

    id: in the database; 0 before it is kept. rate_ppm, fixed_micros: one of the two, the other 0.
    start_micros, end_micros: as it was created, in micros since 1970; end_micros None if open.
    ended_micros: an earlier end that it was given later.
    merchant_token: TOKEN_BYTES, the donor of its gifts.
    """

    partner: str
    code: str
    version: int
    rate_ppm: int
    fixed_micros: int
    currency: str
    shares: Sequence[Share]
    campaign: str
    start_micros: int
    end_micros: int | None
    unit_micros: int
    merchant_token: bytes = field(repr=False)
    ended_micros: int | None = None
    id: int = 0

    @property
    def until_micros(self) -> int | None:
        """The first moment that it no longer holds for; None if that is open."""
        return self.end_micros if self.ended_micros is None else self.ended_micros

    def holds_at(self, micros: int) -> bool:
        """Whether it holds at a moment, as far as no later version took over."""
        until = self.until_micros
        return self.start_micros <= micros and (until is None or micros < until)

    def says(self, other: "Pledge") -> bool:
        """Whether another one of the same code and start was created with the same content."""
        return _as_created(self) == _as_created(other)


@dataclass(frozen=True, slots=True)
class PledgedOrder:
    """An order as it is kept.

    given_micros: what its gifts come to; a multiple of the pledge's unit. A gift of remainders is
    kept as an order for which nothing was paid. participant_token: empty if unknown.
    """

    partner: str
    order_id: str
    pledge_id: int
    paid_micros: int
    given_micros: int
    event_time_micros: int
    participant_token: bytes = field(default=b"", repr=False)


class KeyedOrder(NamedTuple):
    """An order and its key: the bucket and id of the order, not of a gift."""

    key: Key
    order: PledgedOrder


class OrderSums(NamedTuple):
    """What the orders of one pledge add up to.

    basis_micros: what the rate applies to, or the fixed sums cut to the prices. remainders: how
    many gifts of remainders there were. latest_micros: the latest order's time; 0 if there is none.
    """

    orders: int = 0
    paid_micros: int = 0
    basis_micros: int = 0
    given_micros: int = 0
    remainders: int = 0
    latest_micros: int = 0


def _as_created(pledge: Pledge) -> Pledge:
    return replace(pledge, id=0, version=0, ended_micros=None, shares=tuple(pledge.shares))


def version_at(versions: Sequence[Pledge], micros: int) -> Pledge | None:
    """The version that an order of this moment is evaluated by; None if none holds.

    versions: of one code, by start.
    """
    for pledge in reversed(versions):
        if pledge.start_micros <= micros:
            return pledge if pledge.holds_at(micros) else None
    return None
