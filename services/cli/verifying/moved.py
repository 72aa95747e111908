"""What transfers move: debits and credits by account, in columns that add up exactly."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.cli.verifying.words import Numbers, Places

LINES_MAX = 1 << 20
"""So that a float holds sums of the halves of as many amounts exactly."""

_HALF_BITS = 32
_HALF = np.uint64(_HALF_BITS)
_LOW = np.uint64((1 << _HALF_BITS) - 1)


class Moved(NamedTuple):
    """accounts: the indices of some, none twice. halves: for each of them the upper and the lower
    32 bits of its debits, and of its credits; lower halves may be larger than 32 bits.
    """

    accounts: Places
    halves: npt.NDArray[np.int64]


def sum_by(codes: Places, amounts: Numbers, size: int) -> npt.NDArray[np.int64]:
    """The sum of the amounts of each code below size, in halves. At most LINES_MAX amounts."""
    sums = [
        np.bincount(codes, weights=half.astype(np.float64), minlength=size)
        for half in (amounts >> _HALF, amounts & _LOW)
    ]
    return np.stack(sums, axis=1).astype(np.int64)


def moved_of(sums: Mapping[int, Sequence[int]]) -> Moved:
    """The same of debits and credits by account that are there already."""
    halves = [
        [half for micros in both for half in divmod(micros, 1 << _HALF_BITS)]
        for both in sums.values()
    ]
    return Moved(
        np.array(list(sums), dtype=np.intp), np.array(halves, dtype=np.int64).reshape(-1, 4)
    )


def totals(parts: Iterable[Moved], accounts: int) -> list[tuple[int, int]]:
    """Debits and credits of so many accounts."""
    total = np.zeros((accounts, 4), dtype=np.int64)
    for part in parts:
        halves = total[part.accounts] + part.halves
        halves[:, ::2] += halves[:, 1::2] >> _HALF_BITS
        halves[:, 1::2] &= (1 << _HALF_BITS) - 1
        total[part.accounts] = halves
    columns = total.T.tolist()
    return [
        ((upper << _HALF_BITS) + lower, (upper_credits << _HALF_BITS) + lower_credits)
        for upper, lower, upper_credits, lower_credits in zip(*columns, strict=True)
    ]
