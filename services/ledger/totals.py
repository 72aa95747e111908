"""How transfers change the totals: the one rule, for the books, the feed and the audit.

A transfer moves totals by the pair of accounts it stands between. Each row below says to which
states its amount is added or taken from, and to which its tally is added: tallies say how many
gifts or refunds came into a state, so nothing but a reversal ever takes from them. Every other pair
moves no total.

Whether charity or personal appeals get the money is read from the accounts alone, so no total can
hold both.

A hold moves no total until it is committed. A reversal takes back what the movement that it
reverses has done, amount and tally, and is never taken for a refund.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from services.ledger.chart import APPEAL_FUND, CLAIMED, FUND, SUSPENSE, Row, place
from services.ledger.domain import (
    RESERVING,
    Cell,
    Purpose,
    StepKind,
    Sums,
    TotalState,
    Transfer,
)


class Effect(NamedTuple):
    """What a movement does to one state: sign times the amount, and the tally if counted."""

    state: TotalState
    sign: int
    counted: bool


GIFT = (Effect(TotalState.CLAIMED, +1, True),)
GIFT_IN_SUSPENSE = (Effect(TotalState.SUSPENSE, +1, True),)
REFUND = (Effect(TotalState.CLAIMED, -1, False), Effect(TotalState.REFUNDED, +1, True))
REFUND_IN_SUSPENSE = (Effect(TotalState.SUSPENSE, -1, False), Effect(TotalState.REFUNDED, +1, True))

MOVEMENTS: Mapping[tuple[Row, Row], tuple[Effect, ...]] = {
    # (debited, credited)
    (CLAIMED, FUND): GIFT,
    (CLAIMED, APPEAL_FUND): GIFT,
    (CLAIMED, SUSPENSE): GIFT_IN_SUSPENSE,
    (FUND, CLAIMED): REFUND,
    (APPEAL_FUND, CLAIMED): REFUND,
    (SUSPENSE, CLAIMED): REFUND_IN_SUSPENSE,
}

PURPOSES: Mapping[Row, Purpose] = {
    FUND: Purpose.CHARITY,
    APPEAL_FUND: Purpose.APPEAL,
    SUSPENSE: Purpose.UNATTRIBUTED,
}
"""Whose money a row's accounts hold. Each pair in MOVEMENTS has exactly one such row."""


class Movement(NamedTuple):
    """What a transfer between two accounts does to the totals, of which partner and purpose."""

    partner: str
    purpose: Purpose
    effects: tuple[Effect, ...]


@lru_cache(maxsize=65_536)
def movement_of(debit: str, credit: str) -> Movement | None:
    """What totals count of transfers from account credit to account debit; None if nothing."""
    debited, credited = place(debit), place(credit)
    effects = MOVEMENTS.get((debited.row, credited.row))
    if effects is None:
        return None
    claimed, held = (debited, credited) if debited.row is CLAIMED else (credited, debited)
    return Movement(claimed.owner, PURPOSES[held.row], effects)


def changes_of(transfers: Iterable[Transfer]) -> dict[Cell, Sums]:
    """What to add to which cells. A change may come out as nothing; cells are in first-use order.

    The transfers must be valid (rules.py): a movement that totals count has its hour.
    """
    changes: dict[Cell, Sums] = {}
    for debit, credit, micros, currency, campaign, project, hour, tally, step in transfers:
        if step is None:
            movement, direction = movement_of(debit, credit), 1
        elif step.kind in RESERVING:
            continue
        elif step.kind is StepKind.REVERSE:
            movement, direction = movement_of(credit, debit), -1
        else:
            movement, direction = movement_of(debit, credit), 1
        if movement is None:
            continue
        assert hour is not None, "a movement that totals count has its hour"
        for state, sign, counted in movement.effects:
            cell = Cell(
                campaign, project, movement.partner, hour, state, currency, movement.purpose
            )
            before_micros, before_tally = changes.get(cell, UNMOVED)
            changes[cell] = Sums(
                before_micros + direction * sign * micros,
                before_tally + direction * tally if counted else before_tally,
            )
    return changes


UNMOVED = Sums(0, 0)
