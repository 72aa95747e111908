"""Sums in columns are exact, whatever the amounts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.cli.verifying.moved import Moved, moved_of, sum_by, totals

AMOUNTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 10**18 - 1)), min_size=1, max_size=30
)


@given(
    AMOUNTS, AMOUNTS, st.dictionaries(st.integers(0, 3), st.tuples(*[st.integers(0, 2**62)] * 2))
)
def test_sums_of_parts_are_the_sums_of_all(
    debits: list[tuple[int, int]],
    credits_: list[tuple[int, int]],
    others: dict[int, tuple[int, int]],
) -> None:
    sides = []
    for moves in (debits, credits_):
        codes, amounts = zip(*moves, strict=True)
        sides.append(sum_by(np.array(codes), np.array(amounts, dtype=np.uint64), 4))
    columns = Moved(np.arange(4), np.hstack(sides))
    expected = [
        tuple(
            3 * sum(micros for code, micros in moves if code == account)
            + others.get(account, (0, 0))[side]
            for side, moves in enumerate((debits, credits_))
        )
        for account in range(5)
    ]
    assert totals([columns, moved_of(others), columns, columns], 5) == expected


def test_the_largest_amounts_of_a_whole_stretch_add_up() -> None:
    amount, count = 10**18 - 1, 1 << 20
    sums = sum_by(np.zeros(count, dtype=np.intp), np.full(count, amount, dtype=np.uint64), 1)
    parts = [Moved(np.zeros(1, dtype=np.intp), np.hstack([sums, sums]))] * 2_000
    assert totals(parts, 1) == [(2_000 * count * amount,) * 2]
    assert totals([moved_of({})], 1) == [(0, 0)]
