"""Routes: what plain movements have in common that differ in nothing but amount and tally.

Of the many movements in a group most go ways that others have gone before. What a way costs to
check and to write down is paid once for the route, and a movement costs what is its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.ledger.domain import AccountName, Cell, Sums, Transfer
from services.ledger.journal.totals import Movement


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One way, already checked (rules.route_of). Routes are compared by identity.

    line_start, line_middle: the canonical text's line before the amount, and between it and the
    tally. hour_text: as the text has it; empty without an hour. is_time: amounts are minutes.
    counted: what totals count of it, if anything.
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
    counted: Movement | None


class RouteSums:
    """The sums of movements, of each route: an amount and a tally."""

    def __init__(self) -> None:
        self.of: dict[Route, tuple[int, int]] = {}

    def add(self, routes: Iterable[Route], transfers: Iterable[Transfer]) -> None:
        """Adds the transfers of an entry, each with its route."""
        sums = self.of
        for route, (_, _, micros, _, _, _, _, tally, _) in zip(routes, transfers, strict=True):
            before = sums.get(route)
            if before is None:
                sums[route] = (micros, tally)
            else:
                sums[route] = (before[0] + micros, before[1] + tally)

    def join(self, others: "RouteSums") -> None:
        """Adds other movements' sums."""
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

    def changes(self) -> dict[Cell, Sums]:
        """What totals.changes_of comes to for the same movements."""
        changes: dict[Cell, Sums] = {}
        for route, (micros, tally) in self.of.items():
            counted, hour = route.counted, route.hour
            if counted is None or hour is None:
                continue
            partner, purpose, effects, _ = counted
            currency = route.debit.currency
            for state, amounts, tallies in effects:
                cell = Cell(route.campaign, route.project, partner, hour, state, currency, purpose)
                change = Sums(amounts * micros, tallies * tally)
                before = changes.setdefault(cell, change)
                if before is not change:
                    changes[cell] = Sums(before[0] + change[0], before[1] + change[1])
        return changes
