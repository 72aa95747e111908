"""A gift in suspense that is allocated: as if its project had been known, whenever that comes."""

from hypothesis import given
from hypothesis import strategies as st

from services.donations.domain import LineKind, Purpose
from services.donations.life.position import moves_between
from services.donations.life.reports import DisputeStatus, Fact
from services.donations.life.transitions import BY_KIND, State
from tests.integration.donations.canonical import totals
from tests.unit.donations.gifts import a_refund
from tests.unit.donations.life.told import Books, a_dispute, a_stage, facts, position

some = st.lists(facts, max_size=7, unique_by=str)


@given(some, some, st.randoms(use_true_random=False))
def test_allocated_at_any_point_among_the_reports(
    ours: list[Fact], rails: list[Fact], chance: object
) -> None:
    at_once, by_steps = Books(Purpose.UNATTRIBUTED), Books(Purpose.UNATTRIBUTED)
    at_once.allocate(position(ours, rails, allocated=True))
    waiting = [(0, fact) for fact in ours] + [(1, fact) for fact in rails]
    chance.shuffle(waiting)  # type: ignore[attr-defined]
    turn = chance.randint(0, len(waiting))  # type: ignore[attr-defined]
    seen: tuple[list[Fact], list[Fact]] = ([], [])
    for number, (company, fact) in enumerate(waiting):
        if number == turn:
            by_steps.allocate(position(*seen, allocated=True))
        seen[company].append(fact)
        if chance.random() < 0.7:  # type: ignore[attr-defined]
            by_steps.book(position(*seen, suspended=number < turn, allocated=number >= turn))
    by_steps.allocate(position(*seen, allocated=True))
    assert by_steps.balances == at_once.balances
    assert totals(by_steps.lines) == totals(at_once.lines)
    for kind, row in BY_KIND.items():
        if kind is row.kind:
            back = by_steps.tallies[row.back] if row.back is not None else 0
            assert by_steps.tallies[kind] - back == at_once.tallies[kind]


@given(some, st.booleans())
def test_it_has_what_a_gift_of_the_project_has(ours: list[Fact], joined: bool) -> None:
    """But for the suspense that it was in."""
    allocated, attributed = position(ours, joined=joined, allocated=True), position(ours)
    if joined:
        attributed = position(ours, joined=True)
    rest = dict(allocated.flows)
    assert rest.pop(LineKind.RELEASE) == rest.pop(LineKind.ALLOCATION) == 100
    assert rest == attributed.flows
    assert allocated.state is attributed.state
    assert allocated.refunded_micros == attributed.refunded_micros


@given(some)
def test_nothing_stays_on_the_way(ours: list[Fact]) -> None:
    books = Books(Purpose.UNATTRIBUTED)
    books.book(position(ours, suspended=True))
    books.allocate(position(ours, allocated=True))
    books.book(position(ours, joined=True, allocated=True))
    for name in ("allocated", "elsewhere", "spent"):
        assert f"partner/weibo/{name}" not in books.balances


def test_what_was_refunded_before_is_the_projects() -> None:
    """What is left moves; and REFUNDED tells what it would if the project had been known."""
    books = Books(Purpose.UNATTRIBUTED)
    refund = a_refund(amount_micros=30)
    books.book(position([refund], suspended=True))
    books.allocate(position([refund], allocated=True))
    assert books.moves == [
        (LineKind.SUSPENDED_REFUND, 30),
        (LineKind.SUSPENDED_REFUND_BACK, 30),
        (LineKind.RELEASE, 100),
        (LineKind.ALLOCATION, 100),
        (LineKind.REFUND, 30),
    ]
    assert books.balances == {
        "partner/weibo/claimed": -30,
        "partner/weibo/suspense": 100,
        "project/books/fund": -70,
    }
    of_suspense = {line.kind for line in books.lines if not line.project}
    assert of_suspense == {
        LineKind.SUSPENDED_REFUND,
        LineKind.SUSPENDED_REFUND_BACK,
        LineKind.RELEASE,
    }
    assert {line.project for line in books.lines if line.kind not in of_suspense} == {"books"}


def test_what_waited_for_an_attribution_has_it() -> None:
    reports = [a_stage(State.SETTLED), a_dispute(DisputeStatus.OPENED, 40)]
    assert position(reports, suspended=True).flows == {}
    found = position(reports, allocated=True)
    assert found.flows == {
        LineKind.RELEASE: 100,
        LineKind.ALLOCATION: 100,
        LineKind.SETTLEMENT: 100,
        LineKind.SETTLED_DISPUTE: 40,
    }
    assert found.state is State.DISPUTED
    assert moves_between(found.flows.items(), found.flows) == []
