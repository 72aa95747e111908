"""How transfers change the totals: the one rule, for the books, the feed and the audit.

A transfer moves totals by the pair of accounts it stands between. Each row below says to which
states its amount is added or taken from, and to which its tally: tallies say how many gifts or
refunds came into a state, so they only go down where something is taken back that was booked, and
by a reversal. Every other pair moves no total, and neither does a transfer between a platform and a
charity that names no hour or no project: no gifts are known behind it.

Whether charity or personal appeals get the money is read from the accounts alone, so no total can
hold both.

A hold moves no total until it is committed. A reversal takes back what the movement that it
reverses has done, amount and tally, and is never taken for a refund.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from services.ledger.domain import (
    RESERVING,
    Cell,
    Change,
    Changes,
    Purpose,
    StepKind,
    Sums,
    TotalState,
    Transfer,
)
from services.ledger.journal.chart import (
    ALLOCATED,
    APPEAL_BANK,
    APPEAL_DISPUTED,
    APPEAL_FUND,
    APPEAL_SETTLED,
    BANK,
    CLAIMED,
    DISPUTED,
    ELSEWHERE,
    FUND,
    SETTLED,
    SPENT,
    SUSPENSE,
    Row,
    place,
)


class Effect(NamedTuple):
    """What a movement does to one state: so many times the amount, and so many times the tally."""

    state: TotalState
    amounts: int
    tallies: int


def _into(state: TotalState) -> tuple[Effect, ...]:
    return (Effect(state, +1, +1),)


def _out_of(state: TotalState) -> tuple[Effect, ...]:
    return (Effect(state, -1, -1),)


def _from_to(source: TotalState, target: TotalState) -> tuple[Effect, ...]:
    return (Effect(source, -1, 0), Effect(target, +1, +1))


def _back(source: TotalState, target: TotalState) -> tuple[Effect, ...]:
    """Takes back what went from source to target."""
    return (Effect(source, +1, 0), Effect(target, -1, -1))


_S = TotalState

# (debited, credited): what intake books as gifts are recorded, refunded or allocated. It has always
# an hour, whose totals change.
OF_INTAKE: Mapping[tuple[Row, Row], tuple[Effect, ...]] = {
    (CLAIMED, FUND): _into(_S.CLAIMED),
    (CLAIMED, SUSPENSE): _into(_S.SUSPENSE),
    (FUND, CLAIMED): _from_to(_S.CLAIMED, _S.REFUNDED),
    (SUSPENSE, CLAIMED): _from_to(_S.SUSPENSE, _S.REFUNDED),
    # Out of suspense, and to the project that it is allocated to.
    (SUSPENSE, ALLOCATED): _out_of(_S.SUSPENSE),
    (ALLOCATED, FUND): _into(_S.CLAIMED),
    # And back, where that was wrong.
    (ALLOCATED, SUSPENSE): _into(_S.SUSPENSE),
    (FUND, ALLOCATED): _out_of(_S.CLAIMED),
}

# What happens to gifts afterwards.
OF_LIFE: Mapping[tuple[Row, Row], tuple[Effect, ...]] = {
    # Counted for another company, which the gift was made with.
    (FUND, ELSEWHERE): _out_of(_S.CLAIMED),
    (SUSPENSE, ELSEWHERE): _out_of(_S.SUSPENSE),
    # Refunds that turn out otherwise.
    (ELSEWHERE, FUND): _back(_S.CLAIMED, _S.REFUNDED),
    (ELSEWHERE, SUSPENSE): _back(_S.SUSPENSE, _S.REFUNDED),
    # The way to the charity.
    (SETTLED, CLAIMED): _from_to(_S.CLAIMED, _S.SETTLED),
    (CLAIMED, SETTLED): _back(_S.CLAIMED, _S.SETTLED),
    (BANK, SETTLED): _from_to(_S.SETTLED, _S.RECEIVED),
    (SETTLED, BANK): _back(_S.SETTLED, _S.RECEIVED),
    (FUND, SPENT): _from_to(_S.RECEIVED, _S.SPENT),
    (SPENT, FUND): _back(_S.RECEIVED, _S.SPENT),
    # Back from the bill.
    (FUND, SETTLED): _from_to(_S.SETTLED, _S.REFUNDED),
    (SETTLED, FUND): _back(_S.SETTLED, _S.REFUNDED),
    # Contested.
    (DISPUTED, CLAIMED): _from_to(_S.CLAIMED, _S.DISPUTED),
    (CLAIMED, DISPUTED): _back(_S.CLAIMED, _S.DISPUTED),
    (DISPUTED, SETTLED): _from_to(_S.SETTLED, _S.DISPUTED),
    (SETTLED, DISPUTED): _back(_S.SETTLED, _S.DISPUTED),
}

APPEALS: Mapping[Row, Row] = {
    FUND: APPEAL_FUND,
    SETTLED: APPEAL_SETTLED,
    DISPUTED: APPEAL_DISPUTED,
    BANK: APPEAL_BANK,
}
"""Where personal appeals' money is, in place of charity's. What else there is serves both."""


def _with_appeals(
    pairs: Mapping[tuple[Row, Row], tuple[Effect, ...]],
) -> Mapping[tuple[Row, Row], tuple[Effect, ...]]:
    own = {
        (APPEALS.get(debit, debit), APPEALS.get(credit, credit)): effects
        for (debit, credit), effects in pairs.items()
    }
    return {**pairs, **own}


MOVEMENTS = _with_appeals({**OF_INTAKE, **OF_LIFE})
"""What each pair does, personal appeals' pairs included."""

_HOURLY = frozenset(_with_appeals(OF_INTAKE))

PURPOSES: Mapping[Row, Purpose] = {
    SUSPENSE: Purpose.UNATTRIBUTED,
    **dict.fromkeys(APPEALS.keys(), Purpose.CHARITY),
    **dict.fromkeys(APPEALS.values(), Purpose.APPEAL),
}
"""Whose money a row's accounts hold. Each pair in MOVEMENTS has rows of exactly one purpose."""

_OF_PARTNERS = "partner/"


class Movement(NamedTuple):
    """What a transfer between two accounts does to the totals, of which partner and purpose.

    hourly: whether it is only made of gifts, and so has their hour.
    """

    partner: str
    purpose: Purpose
    effects: tuple[Effect, ...]
    hourly: bool


@lru_cache(maxsize=65_536)
def movement_of(debit: str, credit: str) -> Movement | None:
    """What totals count of transfers from account credit to account debit; None if nothing."""
    places = place(debit), place(credit)
    pair = places[0].row, places[1].row
    effects = MOVEMENTS.get(pair)
    if effects is None:
        return None
    # Whoever claims it, if anybody does.
    owners = {at.row: at.owner for at in places if at.row.pattern.startswith(_OF_PARTNERS)}
    partner = owners.get(CLAIMED) or next(iter(owners.values()))
    purpose = next(PURPOSES[row] for row in pair if row in PURPOSES)
    return Movement(partner, purpose, effects, pair in _HOURLY)


class Counted(NamedTuple):
    """A cell of the totals, and how many times a movement's amount and its tally go into it."""

    cell: Cell
    amounts: int
    tallies: int


def counted_of(
    debit: str, credit: str, currency: str, campaign: str, project: str, hour: datetime | None
) -> Sequence[Counted]:
    """What totals count of such movements; nothing of most."""
    movement = movement_of(debit, credit)
    if movement is None or hour is None:
        return ()
    partner, purpose, effects, _ = movement
    if not project and purpose is not Purpose.UNATTRIBUTED:
        return ()
    return [
        Counted(Cell(campaign, project, partner, hour, state, currency, purpose), amounts, tallies)
        for state, amounts, tallies in effects
    ]


def changes_of(transfers: Iterable[Transfer]) -> dict[Cell, Change]:
    """What to add to which cells. A change may come out as nothing; cells are in first-use order.

    The transfers must be valid (rules.py): what only gifts make has its hour.
    """
    changes: dict[Cell, Change] = {}
    for debit, credit, micros, currency, campaign, project, hour, tally, step in transfers:
        direction = 1
        if step is not None:
            if step.kind in RESERVING:
                continue
            if step.kind is StepKind.REVERSE:
                debit, credit, direction = credit, debit, -1
        counted = counted_of(debit, credit, currency, campaign, project, hour)
        for cell, amounts, tallies in counted:
            before_micros, before_tally = changes.get(cell, UNMOVED)
            changes[cell] = (
                before_micros + direction * amounts * micros,
                before_tally + direction * tallies * tally,
            )
    return changes


def moved(changes: Changes) -> Changes:
    """Those that do not come out as nothing."""
    if UNMOVED not in changes.values():  # as nearly always
        return changes
    return {cell: sums for cell, sums in changes.items() if sums != UNMOVED}


UNMOVED = Sums(0, 0)
