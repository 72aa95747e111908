"""Every way in which a gift's money goes from one state to another: one table.

The table says by what money moves, from which state to which, and between which accounts: the
first is debited and the second credited. `position.py` decides how much goes each way; what state
a gift is in, how its lines are posted and how a move is told all follow from here.

What was booked and turns out otherwise is taken back by a line of its own kind (`back`), with the
accounts swapped. Where a pair of accounts means something else already, the money passes through
an account that is empty again afterwards (`through`, `back_through`), so that each pair of
accounts has one meaning to the totals.
"""

from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from services.donations.domain import Line, LineKind, Purpose


class State(IntEnum):
    """Where a gift's money is; numbered as in the proto and in the ledger's totals."""

    CLAIMED = 1
    SETTLED = 2
    RECEIVED = 3
    SPENT = 4
    REFUNDED = 5
    DISPUTED = 6
    SUSPENSE = 7


class Event(IntEnum):
    """What moves a gift's money."""

    PAID = 1
    REFUNDED = 2
    DISPUTE_OPENED = 3
    ON_THE_BILL = 4
    PAID_OUT = 5
    USED = 6
    TOLD_BY_ITS_ORIGIN = 7
    ALLOCATED = 8


class Transition(NamedTuple):
    """One row. source, target: None for outside the books.

    kind: what a line that carries it is called; back: what one that takes it back is called, None
    if that never happens.
    """

    event: Event
    source: State | None
    target: State | None
    kind: LineKind
    back: LineKind | None
    debit: str
    credit: str
    through: str = ""
    back_through: str = ""


CLAIMED = "partner/{partner}/claimed"
SUSPENSE = "partner/{partner}/suspense"
ELSEWHERE = "partner/{partner}/elsewhere"
SPENT = "partner/{partner}/spent"
ALLOCATED = "partner/{partner}/allocated"
# Of charity's projects; personal appeals have accounts of their own (`_APPEALS`).
FUND = "project/{project}/fund"
SETTLED = "partner/{partner}/settled"
DISPUTED = "partner/{partner}/disputed"
BANK = "charity/{charity}/bank"

_E, _S, _K = Event, State, LineKind

TRANSITIONS: tuple[Transition, ...] = (
    # The gift's own row, booked as it is recorded and never taken back.
    Transition(_E.PAID, None, _S.CLAIMED, _K.GIFT, None, CLAIMED, FUND),
    Transition(_E.PAID, None, _S.SUSPENSE, _K.SUSPENDED_GIFT, None, CLAIMED, SUSPENSE),
    # The same gift is counted for the company whose page it was made on; or, where the two tell of
    # different sums, for the rail.
    Transition(
        *(_E.TOLD_BY_ITS_ORIGIN, _S.CLAIMED, None, _K.JOIN, None),
        *(FUND, CLAIMED, ELSEWHERE),
    ),
    Transition(
        *(_E.TOLD_BY_ITS_ORIGIN, _S.SUSPENSE, None, _K.SUSPENDED_JOIN, None),
        *(SUSPENSE, CLAIMED, ELSEWHERE),
    ),
    # Finance gives what stands in suspense to a project, and takes it back where that was wrong.
    # Two moves, as each counts for one project, or none.
    Transition(_E.ALLOCATED, _S.SUSPENSE, None, _K.RELEASE, _K.RELEASE_BACK, SUSPENSE, ALLOCATED),
    Transition(_E.ALLOCATED, None, _S.CLAIMED, _K.ALLOCATION, _K.ALLOCATION_BACK, ALLOCATED, FUND),
    # The way to the charity, and what it does with the money.
    Transition(
        *(_E.ON_THE_BILL, _S.CLAIMED, _S.SETTLED, _K.SETTLEMENT, _K.SETTLEMENT_BACK),
        *(SETTLED, CLAIMED),
    ),
    Transition(
        *(_E.PAID_OUT, _S.SETTLED, _S.RECEIVED, _K.RECEIPT, _K.RECEIPT_BACK),
        *(BANK, SETTLED),
    ),
    Transition(
        *(_E.USED, _S.RECEIVED, _S.SPENT, _K.SPENDING, _K.SPENDING_BACK),
        *(FUND, BANK, SPENT, SPENT),
    ),
    # Back to the giver. What was paid out comes back over the platform's bill first.
    Transition(
        *(_E.REFUNDED, _S.CLAIMED, _S.REFUNDED, _K.REFUND, _K.REFUND_BACK),
        *(FUND, CLAIMED, "", ELSEWHERE),
    ),
    Transition(
        *(_E.REFUNDED, _S.SETTLED, _S.REFUNDED, _K.SETTLED_REFUND, _K.SETTLED_REFUND_BACK),
        *(FUND, SETTLED),
    ),
    Transition(
        *(_E.REFUNDED, _S.SUSPENSE, _S.REFUNDED, _K.SUSPENDED_REFUND, _K.SUSPENDED_REFUND_BACK),
        *(SUSPENSE, CLAIMED, "", ELSEWHERE),
    ),
    # Contested, until it is won (taken back) or lost (taken back, and refunded).
    Transition(
        *(_E.DISPUTE_OPENED, _S.CLAIMED, _S.DISPUTED, _K.DISPUTE, _K.DISPUTE_BACK),
        *(DISPUTED, CLAIMED),
    ),
    Transition(
        *(_E.DISPUTE_OPENED, _S.SETTLED, _S.DISPUTED, _K.SETTLED_DISPUTE, _K.SETTLED_DISPUTE_BACK),
        *(DISPUTED, SETTLED),
    ),
)

BY_KIND: Mapping[LineKind, Transition] = {row.kind: row for row in TRANSITIONS} | {
    row.back: row for row in TRANSITIONS if row.back is not None
}
"""The row that each kind of line carries, or takes back."""

# What stands in suspense, besides what was refunded beyond a gift's amount.
_SUSPENDED = frozenset(
    {
        LineKind.SUSPENDED_GIFT,
        LineKind.SUSPENDED_JOIN,
        LineKind.SUSPENDED_REFUND,
        LineKind.SUSPENDED_REFUND_BACK,
        LineKind.RELEASE,
        LineKind.RELEASE_BACK,
    }
)

_APPEALS: Mapping[str, str] = {
    FUND: "appeal/{project}/fund",
    SETTLED: "partner/{partner}/appeals-settled",
    DISPUTED: "partner/{partner}/appeals-disputed",
    BANK: "appeal/{project}/bank",
}


class Movement(NamedTuple):
    """The accounts that money goes between."""

    debit: str
    credit: str


def is_of_suspense(kind: LineKind) -> bool:
    """Whether a line of this kind is about money that no project has."""
    return kind in _SUSPENDED


def movements_of(line: Line) -> tuple[Movement, ...]:
    """The transfers that a line is posted as, in the ledger's chart of accounts; one or two."""
    return _movements(line.kind, line.purpose, line.partner, line.project, line.charity)


# Many small batches have the same lines but for their sums.
@lru_cache(maxsize=4_096)
def _movements(
    kind: LineKind, purpose: Purpose, partner: str, project: str, charity: str
) -> tuple[Movement, ...]:
    row = BY_KIND[kind]
    debit, credit, through = row.debit, row.credit, row.through
    if kind is row.back:
        debit, credit, through = credit, debit, row.back_through
    pairs = ((debit, credit),) if not through else _around(debit, credit, through)
    appeals = _APPEALS if purpose is Purpose.APPEAL else {}
    return tuple(
        Movement(
            *(
                appeals.get(account, account).format(
                    partner=partner, project=project, charity=charity
                )
                for account in pair
            )
        )
        for pair in pairs
    )


def _around(debit: str, credit: str, through: str) -> tuple[tuple[str, str], ...]:
    """The pair that says whose the money is comes first: it is the one that the totals count."""
    whose = (FUND, SUSPENSE)
    there, back = (debit, through), (through, credit)
    return (there, back) if debit in whose else (back, there)
