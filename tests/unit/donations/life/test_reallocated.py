"""A gift that is allocated anew: as if the last decision had been the first."""

import random

from hypothesis import given
from hypothesis import strategies as st

from services.donations.domain import LineKind, Purpose
from services.donations.life.reports import DisputeStatus, Fact
from services.donations.life.transitions import BY_KIND, State
from tests.integration.donations.canonical import totals
from tests.unit.donations.gifts import a_refund
from tests.unit.donations.life.told import Books, a_dispute, a_stage, facts, position

some = st.lists(facts, max_size=7, unique_by=str)
targets = st.lists(st.sampled_from(["books", "water", ""]), min_size=1, max_size=4)


@given(some, some, targets, st.randoms(use_true_random=False))
def test_decisions_at_any_points_among_the_reports(
    ours: list[Fact], rails: list[Fact], decisions: list[str], chance: random.Random
) -> None:
    at_once, by_steps = Books(Purpose.UNATTRIBUTED), Books(Purpose.UNATTRIBUTED)
    waiting: list[tuple[int, Fact] | str] = [(0, fact) for fact in ours]
    waiting += [(1, fact) for fact in rails] + decisions
    chance.shuffle(waiting)
    seen: tuple[list[Fact], list[Fact]] = ([], [])
    at = ""
    for step in waiting:
        if isinstance(step, str):
            if step != at:
                by_steps.allocate(position(*seen, allocated=bool(step), suspended=not step), step)
            at = step
            continue
        seen[step[0]].append(step[1])
        if chance.random() < 0.7:
            by_steps.book(position(*seen, suspended=not at, allocated=bool(at)))
    last = position(*seen, suspended=not at, allocated=bool(at))
    by_steps.book(last)
    if at:
        at_once.allocate(last, at)
    else:
        at_once.book(last)
    assert by_steps.balances == at_once.balances
    assert totals(by_steps.lines) == totals(at_once.lines)
    for kind, row in BY_KIND.items():
        if kind is row.kind and row.back is not None:
            net = by_steps.tallies[kind] - by_steps.tallies[row.back]
            assert net == at_once.tallies[kind] - at_once.tallies[row.back]


def test_all_that_was_booked_goes_along() -> None:
    books = Books(Purpose.UNATTRIBUTED)
    reports: list[Fact] = [a_refund(amount_micros=130), a_stage(State.SETTLED)]
    books.allocate(position(reports, allocated=True))
    before = len(books.moves)
    books.allocate(position(reports, allocated=True), "water")
    assert books.moves[before:] == [
        (LineKind.SETTLED_REFUND_BACK, 100),
        (LineKind.SETTLEMENT_BACK, 100),
        (LineKind.ALLOCATION_BACK, 100),
        (LineKind.ALLOCATION, 100),
        (LineKind.SETTLEMENT, 100),
        (LineKind.SETTLED_REFUND, 100),
    ]
    projects = [line.project for line in books.lines[before:]]
    assert projects == ["books"] * 3 + ["water"] * 3
    assert books.balances == {
        "partner/weibo/claimed": -130,
        "partner/weibo/suspense": 130,
    }


def test_back_in_suspense_nothing_of_it_is_a_projects() -> None:
    books = Books(Purpose.UNATTRIBUTED)
    reports = [a_dispute(DisputeStatus.OPENED, 40), a_refund(amount_micros=30)]
    books.allocate(position(reports, allocated=True))
    books.allocate(position(reports, suspended=True), "")
    assert books.moves[-5:] == [
        (LineKind.DISPUTE_BACK, 40),
        (LineKind.REFUND_BACK, 30),
        (LineKind.ALLOCATION_BACK, 100),
        (LineKind.RELEASE_BACK, 100),
        (LineKind.SUSPENDED_REFUND, 30),
    ]
    assert books.balances == {"partner/weibo/claimed": -30, "partner/weibo/suspense": 30}
