"""Pledges for tests, and what they come to in fractions: an oracle that shares no code."""

from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import strategies as st

from services.donations.pledges.pledge import Pledge, Share
from tests.unit.donations.gifts import NOW_MICROS

DAY_MICROS = 86_400_000_000


def a_pledge(code: str = "spring", **changes: Any) -> Pledge:
    """A pledge like most, but for the changes."""
    fields: dict[str, Any] = {
        "partner": "weibo",
        "version": 1,
        "rate_ppm": 3_000,
        "fixed_micros": 0,
        "currency": "CNY",
        "shares": (Share("water", 1),),
        "campaign": "",
        "start_micros": NOW_MICROS - 30 * DAY_MICROS,
        "end_micros": None,
        "unit_micros": 1,
        "merchant_token": b"merchant-token--",
        "id": 1,
    }
    return Pledge(code=code, **(fields | changes))


def exact_share(pledge: Pledge, paid_micros: int) -> Fraction:
    """An order's share in micros, as the pledge's words say it."""
    if pledge.rate_ppm:
        return Fraction(paid_micros) * Fraction(pledge.rate_ppm, 1_000_000)
    return Fraction(min(pledge.fixed_micros, paid_micros))


def cut(pledge: Pledge, share: Fraction) -> int:
    """The whole units of a share, in micros."""
    return floor(share / pledge.unit_micros) * pledge.unit_micros


def divided(pledge: Pledge, given_micros: int) -> list[int]:
    """Each project's part, by largest remainder; of equal remainders the earlier project's."""
    total = sum(share.weight for share in pledge.shares)
    units = Fraction(given_micros, pledge.unit_micros)
    exact = [units * Fraction(share.weight, total) for share in pledge.shares]
    parts = [floor(part) for part in exact]
    while sum(parts) < units:
        behind = [part - got for part, got in zip(exact, parts, strict=True)]
        parts[behind.index(max(behind))] += 1
    return [part * pledge.unit_micros for part in parts]


units = st.sampled_from([1, 7, 100, 10_000, 1_000_000])
weights = st.lists(st.integers(1, 1_000_000), min_size=1, max_size=8)
prices = st.one_of(
    st.integers(1, 10**9).map(lambda fen: min(fen * 10_000, 10**15)),
    st.integers(1, 10**15),
    st.integers(1, 100),
)


@st.composite
def pledges(draw: st.DrawFn) -> Pledge:
    """Any pledge that the rules allow."""
    unit = draw(units)
    shares = tuple(Share(f"p{place}", weight) for place, weight in enumerate(draw(weights)))
    if draw(st.booleans()):
        fixed = draw(st.integers(1, 10**15 // unit)) * unit
        return a_pledge(rate_ppm=0, fixed_micros=fixed, unit_micros=unit, shares=shares)
    rate = draw(st.one_of(st.integers(1_000, 1_000_000), st.sampled_from([1_000, 1_000_000])))
    return a_pledge(rate_ppm=rate, unit_micros=unit, shares=shares)
