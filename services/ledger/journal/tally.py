"""What the newest entries change in the totals, gathered until it is worth a row in the tables.

Of the cells that one group changes, the next groups change most again. What all of them change is
added to the tables at once, and until then the head says which entries that are: the books are
complete at each of them, for whoever adds the changes of these entries to what the tables count.
"""

from collections.abc import Mapping

from services.ledger.domain import Cell, Sums, Uncounted
from services.ledger.journal.plan import Plan

_CELLS_MAX = 20_000
"""Gathered at most, 10 MB; with so many, few are changed again."""


class Tally:
    """What the uncounted entries change.

    transfers: how many they have. most: they may have, or what they change is added to the tables.
    """

    def __init__(
        self,
        uncounted: Uncounted,
        cells: Mapping[Cell, Sums],
        *,
        transfers: int,
        most: int,
        cells_max: int = _CELLS_MAX,
    ) -> None:
        self.uncounted = uncounted
        self._cells = dict(cells)
        self._transfers = transfers
        self._most = most
        self._cells_max = cells_max

    def decide(self, plan: Plan) -> None:
        """Says in a plan which entries are uncounted behind it, and what its transaction adds to
        the tables. Nothing changes here: it may not come to be written.
        """
        if not plan.entries:
            plan.uncounted = self.uncounted
            return
        end = plan.head.sequence
        if (
            not (self._cells or plan.totals)
            or self._transfers + plan.transfers > self._most
            or len(self._cells) >= self._cells_max
            # A ledger of the release before counts all that it writes, which is not between.
            or self.uncounted.through != plan.entries[0].sequence - 1
        ):
            plan.counted = _joined(dict(self._cells), plan.totals) if self._cells else plan.totals
            plan.uncounted = Uncounted(end, end)
        else:
            plan.uncounted = Uncounted(self.uncounted.after, end)

    def follow(self, plan: Plan) -> None:
        """Follows a plan that was decided here and is written."""
        assert plan.uncounted is not None, "it was decided"
        self.uncounted = plan.uncounted
        if self.uncounted.after == self.uncounted.through:
            self._cells, self._transfers = {}, 0
        else:
            _joined(self._cells, plan.totals)
            self._transfers += plan.transfers


def _joined(cells: dict[Cell, Sums], changes: Mapping[Cell, Sums]) -> dict[Cell, Sums]:
    """Adds changes to cells."""
    for cell, change in changes.items():
        before = cells.setdefault(cell, change)
        if before is not change:
            cells[cell] = Sums(before[0] + change[0], before[1] + change[1])
    return cells
