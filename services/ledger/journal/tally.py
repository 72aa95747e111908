"""What the newest entries change in the totals, gathered until it is worth a row in the tables.

Of the cells that one group changes, the next groups change most again. What all of them change is
added to the tables at once, and until then the head says which entries that are: the books are
complete at each of them, for whoever adds the changes of these entries to what the tables count.
"""

from collections.abc import Iterable

from services.ledger.domain import Cell, Change, Changes, Uncounted
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
        cells: Changes,
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

    def decide(self, plan: Plan, behind: Plan | None = None, *, counts: bool = True) -> None:
        """Says in a plan which entries are uncounted behind it, and what its transaction adds to
        the tables. Nothing changes here: it may not come to be written.

        behind: a plan that was decided here, is being written, and is not followed yet. counts:
        False if the tables cannot take what is gathered, which stays so however much it becomes.
        """
        uncounted, transfers = self.uncounted, self._transfers
        waiting: list[Changes] = [self._cells]
        if behind is not None:
            uncounted = _decided(behind)
            waiting, transfers = [*waiting, behind.totals], transfers + behind.transfers
            if uncounted.after == uncounted.through:
                waiting, transfers = [], 0
        if not plan.entries:
            plan.uncounted = uncounted
            return
        end = plan.head.sequence
        if (
            not (any(waiting) or plan.totals)
            or (counts and transfers + plan.transfers > self._most)
            or (counts and sum(map(len, waiting)) >= self._cells_max)
            # A ledger of the release before counts all that it writes, which is not between.
            or uncounted.through != plan.entries.before.sequence
        ):
            plan.counted = _all_of([*waiting, plan.totals])
            plan.uncounted = Uncounted(end, end)
        else:
            plan.uncounted = Uncounted(uncounted.after, end)

    def follow(self, plan: Plan) -> None:
        """Follows a plan that was decided here and is written."""
        self.uncounted = _decided(plan)
        if self.uncounted.after == self.uncounted.through:
            self._cells, self._transfers = {}, 0
        else:
            _join(self._cells, plan.totals)
            self._transfers += plan.transfers


def _decided(plan: Plan) -> Uncounted:
    assert plan.uncounted is not None, "it was decided"
    return plan.uncounted


def _all_of(changes: Iterable[Changes]) -> Changes:
    some = [cells for cells in changes if cells]
    if len(some) == 1:
        return some[0]
    joined: dict[Cell, Change] = {}
    for cells in some:
        _join(joined, cells)
    return joined


def _join(cells: dict[Cell, Change], changes: Changes) -> None:
    """Adds changes to cells."""
    for cell, change in changes.items():
        before = cells.get(cell)
        if before is None:
            cells[cell] = change
        else:
            cells[cell] = (before[0] + change[0], before[1] + change[1])
