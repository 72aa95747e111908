"""The newest changes of the totals that this process has written, for readers who keep up: they
need not be derived from the database again.
"""

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

from services.ledger.domain import TotalsChange

_WEIGHT_MAX = 50_000
"""Rows, about 15 MB. A reader that is further behind reads from the database."""


class Recent:
    """A stretch of changes without a gap, the oldest of which are forgotten."""

    def __init__(self, weight_max: int = _WEIGHT_MAX) -> None:
        self._weight_max = weight_max
        self._changes: list[TotalsChange] = []
        self._weight = 0

    def add(self, change: TotalsChange) -> None:
        """A change that is committed.

        If it does not follow on the last one (another process wrote meanwhile, a commit's outcome
        was not known at first, or a database took over that lacks the last entries), what came
        before is forgotten.
        """
        if self._changes and change.previous_hash != self._changes[-1].hash:
            self._changes.clear()
            self._weight = 0
        self._changes.append(change)
        self._weight += _weight(change)
        if self._weight > self._weight_max:
            self._forget()

    def after(self, sequence: int) -> Sequence[TotalsChange]:
        """All changes behind a sequence; none if they are not here, or do not begin there."""
        place = self._place(sequence)
        if place == len(self._changes) or self._changes[place].after != sequence:
            return ()
        return self._changes[place:]

    def begins_behind(self, sequence: int) -> int | None:
        """The first sequence behind this one from which on changes are here; None if none is."""
        place = self._place(sequence + 1)
        return self._changes[place].after if place < len(self._changes) else None

    def _place(self, sequence: int) -> int:
        return bisect_left(self._changes, sequence, key=attrgetter("after"))

    def _forget(self) -> None:
        """Down to half, so that it does not happen with every addition."""
        forgotten = 0
        while self._weight > self._weight_max // 2:
            self._weight -= _weight(self._changes[forgotten])
            forgotten += 1
        del self._changes[:forgotten]


def _weight(change: TotalsChange) -> int:
    return 1 + len(change.sums)  # one that changes nothing takes room, too
