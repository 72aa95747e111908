"""Refunds: any order, any grouping and any repetition make the same books."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.donations.domain import HOUR_MICROS, LineKind, Purpose
from services.donations.gifts.booking import Refunded, booking_lines, parts_of
from tests.unit.donations.gifts import a_gift

_refunds = st.lists(st.tuples(st.integers(1, 150), st.booleans()), min_size=1, max_size=6)

Books = Counter[tuple[object, ...]]


def booked(groups: Sequence[Sequence[tuple[int, bool]]], purpose: Purpose) -> Books:
    """The sums and counts of booking groups of refunds one after the other."""
    gift = a_gift(amount_micros=100)
    books: Books = Counter()
    before = Refunded()
    for group in groups:
        after = before
        for amount, cumulative in group:
            after = after.with_refund(amount, cumulative=cumulative)
        for line in booking_lines(gift, purpose, before, after):
            assert line.micros > 0
            books[(*line[:-2], "micros")] += line.micros
            books[(*line[:-2], "gifts")] += line.gift_count
        before = after
    return +books


@given(_refunds, st.randoms(), st.sampled_from(Purpose))
def test_any_order_and_grouping_makes_the_same_books(
    refunds: list[tuple[int, bool]], chance: object, purpose: Purpose
) -> None:
    once = booked([refunds], purpose)
    shuffled = list(refunds)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert booked([[refund] for refund in shuffled], purpose) == once
    cut = len(refunds) // 2
    assert booked([shuffled[:cut], shuffled[cut:]], purpose) == once


@given(_refunds, st.sampled_from(Purpose))
def test_what_is_booked_is_what_was_given_back(
    refunds: list[tuple[int, bool]], purpose: Purpose
) -> None:
    single = sum(amount for amount, cumulative in refunds if not cumulative)
    running = max((amount for amount, cumulative in refunds if cumulative), default=0)
    books = booked([[refund] for refund in refunds], purpose)
    micros = Counter[LineKind]()
    for (kind, *_, what), value in books.items():
        if what == "micros":
            micros[kind] += value  # type: ignore[index]
    project = 0 if purpose is Purpose.UNATTRIBUTED else min(single + running, 100)
    assert micros[LineKind.REFUND] == project
    assert micros[LineKind.SUSPENDED_REFUND] == single + running - project


def test_a_lower_running_total_changes_nothing() -> None:
    state = Refunded().with_refund(300, cumulative=True)
    assert state.with_refund(100, cumulative=True) == state
    assert list(booking_lines(a_gift(), Purpose.CHARITY, state, state)) == []


def test_what_exceeds_the_gift_stands_in_suspense() -> None:
    assert parts_of(100, Refunded(80, 50), suspended=False) == (100, 30)
    assert parts_of(100, Refunded(80, 50), suspended=True) == (0, 130)


def test_a_refund_counts_in_the_hour_of_its_gift() -> None:
    gift = a_gift(amount_micros=100, campaign="week")
    [refund, excess] = booking_lines(gift, Purpose.APPEAL, Refunded(), Refunded(150))
    assert refund == (
        LineKind.REFUND,
        "weibo",
        "week",
        "water",
        Purpose.APPEAL,
        "CNY",
        gift.event_time_micros // HOUR_MICROS,
        100,
        1,
    )
    assert (excess.kind, excess.project, excess.micros) == (LineKind.SUSPENDED_REFUND, "", 50)
    assert excess.purpose is Purpose.UNATTRIBUTED
