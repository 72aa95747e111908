"""What is gathered before it is added to the totals' tables, and when it is."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import NO_HASH, Cell, Change, EntryDraft, Head, Uncounted
from services.ledger.journal.drafts import prepare
from services.ledger.journal.group import Group
from services.ledger.journal.plan import Books, Plan, plan_group
from services.ledger.journal.tally import Tally
from services.ledger.journal.totals import changes_of
from tests.unit.ledger.drafts import NOON, draft, gift, refund, suspended
from tests.unit.ledger.stepped import pledge

NONE = Uncounted(0, 0)


def planned(after: int, *drafts: EntryDraft) -> Plan:
    """A plan for drafts behind an entry."""
    books = Books(Head(after, NO_HASH, NOON))
    return plan_group(Group(map(prepare, drafts)), books, NOON, timedelta(days=1))


def written(tally: Tally, after: int, *drafts: EntryDraft) -> Plan:
    """A plan that is decided and written."""
    plan = planned(after, *drafts)
    tally.decide(plan)
    tally.follow(plan)
    return plan


def cells_of(*drafts: EntryDraft) -> dict[Cell, Change]:
    """What drafts change."""
    return changes_of(transfer for one in drafts for transfer in one.transfers)


def add_counted(counted: dict[Cell, Change], plan: Plan) -> None:
    """Adds what a plan adds to the tables."""
    for cell, (micros, tally) in plan.counted.items():
        before_micros, before_tally = counted.get(cell, (0, 0))
        counted[cell] = (before_micros + micros, before_tally + tally)


def test_changes_are_gathered_until_they_are_of_more_transfers_than_they_may() -> None:
    tally = Tally(NONE, {}, transfers=0, most=3)
    first, second, third = draft(gift(1), gift(2)), draft(gift(4)), draft(gift(8), refund(1))
    assert written(tally, 0, first).counted == {}
    assert written(tally, 1, second).counted == {}
    assert tally.uncounted == Uncounted(0, 2)
    assert written(tally, 2, third).counted == cells_of(first, second, third)
    assert tally.uncounted == Uncounted(3, 3)
    assert written(tally, 3, second).counted == {}
    assert tally.uncounted == Uncounted(3, 4)


def test_where_none_may_be_uncounted_each_plan_counts_its_own() -> None:
    tally = Tally(NONE, {}, transfers=0, most=0)
    assert written(tally, 0, draft(gift(1))).counted == cells_of(draft(gift(1)))
    assert written(tally, 1, draft(gift(2))).counted == cells_of(draft(gift(2)))
    assert tally.uncounted == Uncounted(2, 2)


def test_many_cells_are_counted_with_the_next_plan() -> None:
    tally = Tally(NONE, {}, transfers=0, most=100, cells_max=2)
    drafts = draft(gift(1)), draft(gift(1, project="road")), draft(gift(1))
    assert written(tally, 0, drafts[0]).counted == {}
    assert written(tally, 1, drafts[1]).counted == {}
    assert written(tally, 2, drafts[2]).counted == cells_of(*drafts)


def test_what_another_counted_in_between_is_not_taken_for_uncounted() -> None:
    """A ledger of the release before leaves the head's word as it is."""
    tally = Tally(Uncounted(3, 5), cells_of(draft(gift(1))), transfers=1, most=100)
    assert written(tally, 7, draft(gift(2))).counted == cells_of(draft(gift(1)), draft(gift(2)))
    assert tally.uncounted == Uncounted(8, 8)
    tally = Tally(Uncounted(5, 5), {}, transfers=0, most=100)
    assert written(tally, 7, draft(gift(2))).counted == cells_of(draft(gift(2)))
    assert tally.uncounted == Uncounted(8, 8)


def test_entries_that_change_nothing_leave_nothing_uncounted() -> None:
    tally = Tally(NONE, {}, transfers=0, most=100)
    assert written(tally, 0, draft(pledge(9))).counted == {}
    assert tally.uncounted == Uncounted(1, 1)


def test_a_plan_without_entries_leaves_all_as_it_is() -> None:
    tally = Tally(NONE, {}, transfers=0, most=100)
    written(tally, 0, draft(gift(1)))
    plan = written(tally, 1)
    assert (plan.uncounted, plan.counted) == (Uncounted(0, 1), {})
    assert tally.uncounted == Uncounted(0, 1)


def test_a_plan_that_is_not_written_leaves_no_trace() -> None:
    tally = Tally(NONE, {}, transfers=0, most=1)
    written(tally, 0, draft(gift(1)))
    for _ in range(2):
        lost = planned(1, draft(gift(2)))
        tally.decide(lost)
        assert lost.counted == cells_of(draft(gift(1)), draft(gift(2)))
    assert tally.uncounted == Uncounted(0, 1)


def test_what_was_not_decided_cannot_be_followed() -> None:
    with pytest.raises(AssertionError):
        Tally(NONE, {}, transfers=0, most=1).follow(planned(0, draft(gift(1))))


@pytest.mark.property
@given(
    amounts=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=3), max_size=12),
    most=st.integers(0, 9),
    cells_max=st.integers(1, 4),
)
def test_what_is_counted_and_what_is_left_is_all_there_is(
    amounts: list[list[int]], most: int, cells_max: int
) -> None:
    tally = Tally(NONE, {}, transfers=0, most=most, cells_max=cells_max)
    posted: list[EntryDraft] = []
    counted: dict[Cell, Change] = {}
    for group in amounts:
        drafts = [
            draft(gift(n, project=f"p{n % 3}"), suspended(n) if n > 4 else refund(1)) for n in group
        ]
        plan = written(tally, len(posted), *drafts)
        posted += drafts
        add_counted(counted, plan)
        assert counted == cells_of(*posted[: tally.uncounted.after])
        assert tally.uncounted.through == len(posted)
        assert sum(len(one.transfers) for one in posted[tally.uncounted.after :]) <= most


@pytest.mark.property
@given(
    amounts=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=3), max_size=12),
    most=st.integers(0, 9),
    cells_max=st.integers(1, 4),
)
def test_what_is_decided_behind_an_unwritten_plan_is_all_there_is_too(
    amounts: list[list[int]], most: int, cells_max: int
) -> None:
    tally = Tally(NONE, {}, transfers=0, most=most, cells_max=cells_max)
    posted: list[EntryDraft] = []
    counted: dict[Cell, Change] = {}
    unwritten: Plan | None = None
    for group in amounts:
        drafts = [draft(gift(n, project=f"p{n % 3}")) for n in group]
        plan = planned(len(posted), *drafts)
        tally.decide(plan, unwritten)
        if unwritten is not None:
            tally.follow(unwritten)
        unwritten = plan
        posted += drafts
        add_counted(counted, plan)
        assert plan.uncounted is not None
        after, through = plan.uncounted
        assert counted == cells_of(*posted[:after])
        assert through == len(posted)
        assert through - after <= most
