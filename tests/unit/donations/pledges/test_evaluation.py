"""What orders come to, held against fractions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donations.pledges.evaluation import (
    account_of,
    apportioned,
    basis_micros,
    given_micros,
    parts_of,
    remainder_order,
)
from services.donations.pledges.pledge import MILLION, OrderSums, Pledge, Share
from tests.unit.donations.pledges.pledging import (
    a_pledge,
    cut,
    divided,
    exact_share,
    pledges,
    prices,
)


def sums_of(pledge: Pledge, paid: list[int]) -> OrderSums:
    return OrderSums(
        len(paid),
        sum(paid),
        sum(basis_micros(pledge, price) for price in paid),
        sum(given_micros(pledge, price) for price in paid),
    )


@given(pledge=pledges(), paid=prices)
def test_an_order_gives_the_whole_units_of_its_exact_share(pledge: Pledge, paid: int) -> None:
    given = given_micros(pledge, paid)
    assert given == cut(pledge, exact_share(pledge, paid))
    assert 0 <= given <= paid
    assert given % pledge.unit_micros == 0


@given(pledge=pledges(), paid=prices, more=st.integers(0, 10**12))
def test_a_higher_price_never_gives_less(pledge: Pledge, paid: int, more: int) -> None:
    assert given_micros(pledge, paid) <= given_micros(pledge, paid + more)


@given(pledge=pledges(), paid=prices)
def test_the_projects_parts_sum_to_the_gift(pledge: Pledge, paid: int) -> None:
    given = given_micros(pledge, paid)
    parts = {part.place: part.micros for part in parts_of(pledge, given)}
    assert sum(parts.values()) == given
    expected = divided(pledge, given)
    assert [parts.get(place, 0) for place in range(1, len(expected) + 1)] == expected
    assert all(part.project == f"p{part.place - 1}" for part in parts_of(pledge, given))


@given(units=st.integers(0, 10**15), weights=st.lists(st.integers(1, 10**6), min_size=1))
def test_no_part_is_a_unit_away_from_its_exact_part(units: int, weights: list[int]) -> None:
    parts = apportioned(units, weights)
    assert sum(parts) == units
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(units * weight, sum(weights))) < 1


@given(pledge=pledges(), paid=st.lists(prices, max_size=30), seed=st.randoms())
def test_shares_are_what_was_given_and_the_remainder_in_any_order(
    pledge: Pledge, paid: list[int], seed: object
) -> None:
    account = account_of(pledge, sums_of(pledge, paid))
    exact = sum((exact_share(pledge, price) for price in paid), Fraction(0))
    assert Fraction(account.share, MILLION) == exact
    assert Fraction(account.remainder, MILLION) == exact - account.given_micros
    assert 0 <= account.remainder < max(1, len(paid)) * pledge.unit_micros * MILLION
    shuffled = list(paid)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]  # it is a random.Random
    assert account_of(pledge, sums_of(pledge, shuffled)) == account


@given(pledge=pledges(), paid=st.lists(prices, min_size=1, max_size=30))
def test_with_the_remainders_gifts_all_is_the_exact_sum_to_the_unit(
    pledge: Pledge, paid: list[int]
) -> None:
    sums = sums_of(pledge, paid)
    order = remainder_order(pledge, sums, "remainder.1.1")
    given = sums.given_micros + (order.given_micros if order else 0)
    exact = sum((exact_share(pledge, price) for price in paid), Fraction(0))
    assert given == cut(pledge, exact)
    assert remainder_order(pledge, sums._replace(given_micros=given), "remainder.1.2") is None


@given(
    rate=st.integers(10, 10_000).map(lambda basis_points: basis_points * 100),
    fen=st.integers(1, 10**11),
)
def test_hundredths_of_a_percent_of_whole_fen_leave_no_remainder_in_micros(
    rate: int, fen: int
) -> None:
    pledge = a_pledge(rate_ppm=rate)
    assert given_micros(pledge, fen * 10_000) == exact_share(pledge, fen * 10_000)


@pytest.mark.parametrize(
    ("weights", "units", "parts"),
    [
        ((1, 1, 1), 1, [1, 0, 0]),  # equal remainders: the first
        ((1, 1, 1), 2, [1, 1, 0]),
        ((1, 2), 1, [0, 1]),
        ((5, 3, 1), 7, [4, 2, 1]),
        ((1, 1), 0, [0, 0]),
    ],
)
def test_the_leftover_units_go_to_the_largest_remainders(
    weights: tuple[int, ...], units: int, parts: list[int]
) -> None:
    assert apportioned(units, weights) == parts


def test_a_project_that_gets_nothing_has_no_gift() -> None:
    pledge = a_pledge(shares=(Share("water", 1), Share("books", 1_000)))
    assert [tuple(part) for part in parts_of(pledge, 1)] == [(2, "books", 1)]
    assert list(parts_of(pledge, 0)) == []
