"""Hashes that the log need not read: those of its entries, or none."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import NO_HASH, Head
from services.ledger.log.fresh import Fresh
from tests.unit.ledger.drafts import NOON

HASHES = [NO_HASH, *(sha256(bytes([n])).digest() for n in range(40))]
OTHERS = [NO_HASH, *(sha256(bytes([n, n])).digest() for n in range(40))]


def head(sequence: int, hashes: list[bytes] = HASHES) -> Head:
    return Head(sequence, hashes[sequence], NOON if sequence else None)


@pytest.mark.property
@given(
    groups=st.lists(st.integers(0, 5), max_size=8),
    lost=st.sets(st.integers(0, 7)),
    most=st.integers(1, 12),
    takes=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=8),
)
def test_what_is_taken_comes_behind_what_was_asked_for(
    groups: list[int], lost: set[int], most: int, takes: list[tuple[int, int]]
) -> None:
    fresh, end = Fresh(most), 0
    for number, size in enumerate(groups):
        if number not in lost:
            fresh.add(head(end), HASHES[end + 1 : end + 1 + size])
        end += size
    for after, count in takes:
        taken = fresh.take(after, HASHES[after], count)
        assert list(taken) == HASHES[after + 1 : after + 1 + len(taken)]
        assert len(taken) <= min(count, max(0, end - after))
        assert not fresh.take(after, OTHERS[after] if after else HASHES[1], count)


def test_all_that_came_without_a_gap_is_taken_once() -> None:
    fresh = Fresh()
    fresh.add(head(0), HASHES[1:4])
    fresh.add(head(3), HASHES[4:6])
    assert list(fresh.take(0, HASHES[0], 4)) == HASHES[1:5]
    assert not fresh.take(0, HASHES[0], 4)
    fresh.add(head(5), HASHES[6:8])
    assert list(fresh.take(4, HASHES[4], 9)) == HASHES[5:8]
    assert not fresh.take(7, HASHES[7], 9)


def test_what_does_not_follow_begins_anew() -> None:
    fresh = Fresh()
    fresh.add(head(0), HASHES[1:4])
    fresh.add(head(3, OTHERS), OTHERS[4:6])  # a database that lacks the third took over
    assert not fresh.take(0, HASHES[0], 9)
    assert list(fresh.take(3, OTHERS[3], 9)) == OTHERS[4:6]


def test_too_much_is_forgotten_but_for_the_newest() -> None:
    fresh = Fresh(6)
    fresh.add(head(0), HASHES[1:5])
    fresh.add(head(4), HASHES[5:8])
    assert not fresh.take(0, HASHES[0], 9)
    assert list(fresh.take(4, HASHES[4], 9)) == HASHES[5:8]
