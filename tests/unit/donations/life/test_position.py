"""What should be booked of a gift: of the same reports the same, however they came."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donations.domain import LineKind, Purpose
from services.donations.life.position import Move, moves_between
from services.donations.life.reports import DisputeStatus, Fact
from services.donations.life.transitions import BY_KIND, State
from tests.unit.donations.gifts import a_refund
from tests.unit.donations.life.told import Books, a_dispute, a_stage, facts, position

OPENED, WON, LOST = DisputeStatus.OPENED, DisputeStatus.WON, DisputeStatus.LOST
SETTLED, RECEIVED, SPENT = (
    a_stage(stage) for stage in (State.SETTLED, State.RECEIVED, State.SPENT)
)

some = st.lists(facts, max_size=7, unique_by=str)


@given(some, some, st.randoms(use_true_random=False), st.sampled_from(Purpose))
def test_any_order_and_grouping_makes_the_same_books(
    ours: list[Fact], rails: list[Fact], chance: object, purpose: Purpose
) -> None:
    suspended = purpose is Purpose.UNATTRIBUTED
    once, by_steps = Books(purpose), Books(purpose)
    once.book(position(ours, rails, suspended=suspended))
    waiting = [(0, fact) for fact in ours] + [(1, fact) for fact in rails]
    chance.shuffle(waiting)  # type: ignore[attr-defined]
    seen: tuple[list[Fact], list[Fact]] = ([], [])
    for company, fact in waiting:
        seen[company].append(fact)
        if chance.random() < 0.7:  # type: ignore[attr-defined]
            by_steps.book(position(*seen, suspended=suspended))
    by_steps.book(position(*seen, suspended=suspended))
    assert by_steps.balances == once.balances
    for kind, row in BY_KIND.items():
        if kind is row.kind and row.back is not None:
            net = by_steps.tallies[kind] - by_steps.tallies[row.back]
            assert net == once.tallies[kind]


@given(some, some, some)
def test_what_another_origin_takes_away_is_taken_back(
    ours: list[Fact], rails: list[Fact], later: list[Fact]
) -> None:
    """A rail's report that turns out to be another gift's leaves no trace in the balances."""
    alone, robbed = Books(), Books()
    robbed.book(position(ours, rails))
    robbed.book(position(ours))
    alone.book(position(ours))
    assert robbed.balances == alone.balances
    robbed.book(position(ours, later))
    alone.book(position(ours, later))
    assert robbed.balances == alone.balances


@given(some, some)
def test_no_account_that_money_passes_through_keeps_any(
    ours: list[Fact], rails: list[Fact]
) -> None:
    books = Books()
    for company in (ours, rails, ours):
        books.book(position(company))
    books.book(position(joined=True) if not books.moves else position(ours))
    assert "partner/weibo/elsewhere" not in books.balances
    assert "partner/weibo/spent" not in books.balances


@given(some)
def test_a_gift_never_gives_back_more_than_it_has(ours: list[Fact]) -> None:
    books = Books()
    found = position(ours)
    books.book(found)
    # The gift's own row: claimed by its partner, held for its project.
    held = books.accounts
    held["partner/weibo/claimed"] += 100
    held["project/water/fund"] -= 100
    excess = held["partner/weibo/suspense"]
    for account in ("settled", "disputed"):
        assert 0 <= held[f"partner/weibo/{account}"] <= 100
    assert 0 <= held["charity/aid/bank"] <= 100
    assert 0 <= -held["project/water/fund"] <= 100
    assert held["partner/weibo/claimed"] >= -excess
    assert sum(held.values()) == 0
    assert 0 <= found.refunded_micros <= 100


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        ([], State.CLAIMED),
        ([SETTLED], State.SETTLED),
        ([RECEIVED], State.CLAIMED),
        ([SPENT, SETTLED], State.SETTLED),
        ([RECEIVED, SETTLED], State.RECEIVED),
        ([SPENT, RECEIVED, SETTLED], State.SPENT),
        ([a_refund(amount_micros=99)], State.CLAIMED),
        ([a_refund(amount_micros=100)], State.REFUNDED),
        ([a_refund(amount_micros=300)], State.REFUNDED),
        ([SETTLED, RECEIVED, a_refund(amount_micros=100)], State.REFUNDED),
        ([SETTLED, RECEIVED, a_refund(amount_micros=1)], State.RECEIVED),
        ([a_dispute(OPENED, 1)], State.DISPUTED),
        ([SETTLED, RECEIVED, a_dispute(OPENED)], State.DISPUTED),
        ([a_dispute(OPENED), a_dispute(WON)], State.CLAIMED),
        ([a_dispute(WON)], State.CLAIMED),
        ([a_dispute(LOST)], State.REFUNDED),
        ([a_dispute(OPENED), a_dispute(LOST, 40)], State.CLAIMED),
        ([a_dispute(OPENED), a_dispute(WON), a_dispute(LOST)], State.REFUNDED),
        ([a_dispute(OPENED), a_refund(amount_micros=100)], State.REFUNDED),
    ],
)
def test_states(reports: Sequence[Fact], state: State) -> None:
    assert position(reports).state is state


def test_in_suspense_only_refunds_move_money() -> None:
    reports = [SETTLED, a_dispute(OPENED), a_refund(amount_micros=130)]
    found = position(reports, suspended=True)
    assert found.flows == {LineKind.SUSPENDED_REFUND: 130}
    assert (found.state, found.refunded_micros) == (State.REFUNDED, 100)


def test_two_companies_tell_of_the_same_money() -> None:
    ours = [a_refund("1", amount_micros=30), a_refund("2", amount_micros=20)]
    rails = [a_refund("x", amount_micros=45, cumulative=True)]
    assert position(ours, rails).refunded_micros == 50
    assert position(ours[:1], rails).refunded_micros == 45


def test_what_is_refunded_beyond_the_gift_comes_from_suspense() -> None:
    assert position([a_refund(amount_micros=130)]).flows == {
        LineKind.REFUND: 100,
        LineKind.SUSPENDED_REFUND: 30,
    }


def test_a_received_gift_is_refunded_over_the_bill() -> None:
    books = Books()
    books.book(position([SETTLED, RECEIVED]))
    assert books.balances == {"partner/weibo/claimed": -100, "charity/aid/bank": 100}
    before = len(books.moves)
    books.book(position([SETTLED, RECEIVED, a_refund(amount_micros=60)]))
    assert books.moves[before:] == [(LineKind.RECEIPT_BACK, 60), (LineKind.SETTLED_REFUND, 60)]


def test_a_lower_running_total_moves_nothing() -> None:
    high = a_refund("1", amount_micros=30, cumulative=True)
    low = a_refund("2", amount_micros=10, cumulative=True)
    assert moves_between([(LineKind.REFUND, 30)], position([high, low]).flows) == []


def test_tallies_count_gifts_not_moves() -> None:
    first = moves_between([], {LineKind.REFUND: 10})
    more = moves_between([(LineKind.REFUND, 10)], {LineKind.REFUND: 15})
    less = moves_between([(LineKind.REFUND, 15)], {LineKind.REFUND: 5})
    none = moves_between([(LineKind.REFUND, 15), (LineKind.REFUND_BACK, 10)], {})
    assert first == [Move(LineKind.REFUND, 10, 1)]
    assert more == [Move(LineKind.REFUND, 5, 0)]
    assert less == [Move(LineKind.REFUND_BACK, 10, 0)]
    assert none == [Move(LineKind.REFUND_BACK, 5, 1)]


def test_a_report_that_is_counted_elsewhere_counts_nothing() -> None:
    books = Books()
    books.book(position([SETTLED, a_refund(amount_micros=10)]))
    books.book(position([SETTLED, a_refund(amount_micros=10)], joined=True))
    assert books.balances == {"partner/weibo/claimed": -100, "project/water/fund": 100}
