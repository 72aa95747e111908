"""Routes: what plain movements have in common that differ in nothing but amount and tally.

Of the many movements in a group most go ways that others have gone before. What a way costs to
check and to write down is paid once for the route, and a movement costs what is its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ledger.domain import AccountName, Cell, Change, Transfer
from services.ledger.journal.made import MadeOnDemand
from services.ledger.journal.totals import Counted


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One way, already checked (rules.move_of). Routes are compared by identity.

    line_start, line_middle: the canonical text's line before the amount, and between it and the
    tally. hour_text: as the text has it; empty without an hour. is_time: amounts are minutes.
    counted: what totals count of it.
    """

    debit: AccountName
    credit: AccountName
    campaign: str
    project: str
    hour: datetime | None
    hour_text: str
    line_start: str
    line_middle: str
    is_time: bool
    counted: Sequence[Counted]


Move = tuple[Route, int, int]
"""A plain movement: its route, micros and tally."""


class Movements(MadeOnDemand[Transfer]):
    """Transfers that are all plain movements, checked (rules.move_of).

    They are made into Transfers only for whoever reads them as such: of thousands of movements that
    come in a call nobody does, and to make and read objects is most of what an entry costs.
    """

    __slots__ = ("moves",)

    def __init__(self, moves: Sequence[Move]) -> None:
        self.moves = moves

    def __len__(self) -> int:
        return len(self.moves)

    def _made(self, place: int) -> Transfer:
        return _transfer_of(*self.moves[place])

    def __eq__(self, other: object) -> bool:
        """Whether other is of the same Transfers."""
        return isinstance(other, Sequence) and list(self) == list(other)


def _transfer_of(route: Route, micros: int, tally: int) -> Transfer:
    (debit, currency), credit = route.debit, route.credit.code
    return Transfer(
        debit, credit, micros, currency, route.campaign, route.project, route.hour, tally
    )


class RouteSums:
    """The sums of movements, of each route: an amount and a tally."""

    def __init__(self) -> None:
        self.of: dict[Route, tuple[int, int]] = {}
        self._through: Mapping[AccountName, Sequence[int]] | None = None

    def add(self, moves: Iterable[Move]) -> None:
        """Adds those of an entry."""
        self._through = None
        sums = self.of
        for route, micros, tally in moves:
            before = sums.get(route)
            if before is None:
                sums[route] = (micros, tally)
            else:
                sums[route] = (before[0] + micros, before[1] + tally)

    def join(self, others: "RouteSums") -> None:
        """Adds other movements' sums."""
        self._through = None
        sums = self.of
        if not sums:
            sums.update(others.of)
            return
        for route, sum_ in others.of.items():
            before = sums.setdefault(route, sum_)
            if before is not sum_:
                sums[route] = (before[0] + sum_[0], before[1] + sum_[1])

    def micros(self) -> int:
        """Of all movements together, in whatever unit."""
        return sum([micros for micros, _ in self.of.values()])

    def through(self) -> Mapping[AccountName, Sequence[int]]:
        """What goes through each account: debits and credits, in micros."""
        if self._through is None:
            through: dict[AccountName, list[int]] = defaultdict(lambda: [0, 0])
            for route, (micros, _) in self.of.items():
                through[route.debit][0] += micros
                through[route.credit][1] += micros
            self._through = through
        return self._through

    def changes(self) -> dict[Cell, Change]:
        """What totals.changes_of comes to for the same movements."""
        changes: dict[Cell, Change] = {}
        for route, (micros, tally) in self.of.items():
            for cell, amounts, tallies in route.counted:
                change = (amounts * micros, tallies * tally)
                before = changes.setdefault(cell, change)
                if before is not change:
                    changes[cell] = (before[0] + change[0], before[1] + change[1])
        return changes
