"""Routes: what plain movements have in common that differ in nothing but hour, amount and tally.

Of the many movements in a group most go ways that others have gone before. What a way costs to
check and to write down is paid once for the route, and a movement costs what is its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.ledger.domain import AccountName, Cell, Sums, Transfer
from services.ledger.journal.totals import Movement


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One way, already checked (rules.route_of). Routes are compared by identity.

    line_start, line_middle: the canonical text's line before the amount, and between it and the
    hour. is_time: amounts are minutes. needs_hour: only gifts make such movements. counted: what
    totals count of those that have an hour.
    """

    debit: AccountName
    credit: AccountName
    campaign: str
    project: str
    line_start: str
    line_middle: str
    is_time: bool
    needs_hour: bool
    counted: Movement | None


class RouteSums(NamedTuple):
    """The sums of movements: of each route, and, where totals count it, of each of its hours."""

    micros: dict[Route, int]
    by_hour: dict[tuple[Route, datetime], Sums]

    def add(self, routes: Iterable[Route], transfers: Iterable[Transfer]) -> None:
        """Adds the transfers of an entry, each with its route."""
        all_micros, by_hour = self
        for route, transfer in zip(routes, transfers, strict=True):
            _, _, micros, _, _, _, hour, tally, _ = transfer
            all_micros[route] = all_micros.get(route, 0) + micros
            if route.counted is not None and hour is not None:
                key = (route, hour)
                if before := by_hour.get(key):
                    by_hour[key] = Sums(before.micros + micros, before.tally + tally)
                else:
                    by_hour[key] = Sums(micros, tally)

    def changes(self) -> dict[Cell, Sums]:
        """What totals.changes_of comes to for the same movements."""
        changes: dict[Cell, Sums] = {}
        for (route, hour), (micros, tally) in self.by_hour.items():
            assert route.counted is not None, "only what totals count is kept by the hour"
            partner, purpose, effects, _ = route.counted
            currency = route.debit.currency
            for state, amounts, tallies in effects:
                cell = Cell(route.campaign, route.project, partner, hour, state, currency, purpose)
                change = Sums(amounts * micros, tallies * tally)
                if before := changes.get(cell):
                    change = Sums(before.micros + change.micros, before.tally + change.tally)
                changes[cell] = change
        return changes
