"""What a row is: a name, a target and a way to measure."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.result import Result

_BULK_GIFTS_A_SECOND = 150_000
_CALLS_A_SECOND = 1_000
_ENTRIES_A_SECOND = 40_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure.

    seconds: about how long one measurement takes on two cores. repetitions: of each, ours and the
    reference. growth: the gifts that the growth rows put into the table first.
    donors: whether bulk gifts carry a donor reference.
    """

    seconds: float = 4.0
    repetitions: int = 3
    growth: int = 20_000_000
    donors: bool = False

    def gifts(self, batch: int) -> int:
        """Gifts of one bulk measurement: whole batches, as many for each of two partners."""
        return max(1, round(self.seconds * _BULK_GIFTS_A_SECOND / (2 * batch))) * 2 * batch

    @property
    def posting_calls(self) -> int:
        """Calls of a thousand entries each of one measurement."""
        return max(8, round(self.seconds * _ENTRIES_A_SECOND / 1_000))

    @property
    def calls(self) -> int:
        """Single calls of one measurement."""
        return max(256, round(self.seconds * _CALLS_A_SECOND))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    target: what the ratio should reach; at_most: or should not exceed.
    long: it takes many minutes, and runs only when it is named.
    """

    name: str
    target: float
    run: Callable[[Plan], Awaitable[Result]]
    at_most: bool = False
    long: bool = False

    def reached(self, ratio: float) -> bool:
        """Whether a ratio is as good as the target."""
        return ratio <= self.target if self.at_most else ratio >= self.target
