"""What two requests have in common, and what steps add up to."""

from uuid import UUID

from services.donations.allocation.allocation import (
    Allocated,
    Allocation,
    AllocationOutcome,
    GiftName,
    Place,
    Progress,
    Suspended,
)
from services.donations.domain import SuspenseReason

MISSING = SuspenseReason.PROJECT_MISSING


def test_each_choice_has_a_content_of_its_own() -> None:
    one, two = GiftName("weibo", "1"), GiftName("weibo", "2")
    choices = [
        [one],
        [two],
        [one, two],
        [two, one],
        [GiftName("weibo1", "1")],
        Suspended("weibo", "x"),
        Suspended("weibo", ""),
        Suspended("weibo", reason=MISSING),
        Suspended("weibo", "", MISSING),
        Suspended("weibo", "", SuspenseReason.PROJECT_CLOSED),
        Suspended("xiaomi", "x"),
        Allocated("weibo", "x"),
        Allocated("xiaomi", "x"),
        Allocated("weibo", "y"),
        Allocated("weibo", "x", UUID(int=1)),
    ]
    contents = [
        str(Allocation("water", choice, without_campaign=without, again=again).content)
        for choice in choices
        for without in (False, True)
        for again in (False, True)
    ]
    assert len(set(contents)) == len(contents)
    assert Allocation("water", [one]).content == Allocation("books", [one]).content


def test_steps_add_up() -> None:
    done, left = AllocationOutcome.ALLOCATED, AllocationOutcome.REFUNDED
    first = Progress(1, {done: 2}, {"CNY": 5}, [done, done], Place(1, "a"))
    second = Progress(
        1, {done: 1, left: 1}, {"CNY": 2, "USD": 1}, [done, left], Place(2, "b"), True
    )
    assert Progress().then(first) == first
    assert first.then(second) == Progress(
        2,
        {done: 3, left: 1},
        {"CNY": 7, "USD": 1},
        [done, done, done, left],
        Place(2, "b"),
        True,
    )
