"""The chart of accounts: which accounts there can be, what each is, and whose.

Assets say where the money is, liabilities whose it is. `{…}` stands for the owner: a partner's,
project's, charity's or sponsor's code.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from services.ledger.domain import AccountKind, AccountLimit, AccountName
from services.runtime.currency import require_currency
from services.runtime.errors import Fault, Reason


class Unit(Enum):
    """What the amounts of an account count."""

    MONEY = "money"
    MINUTES = "minutes"


MINUTES = "MIN"
"""Stands where a currency does for minutes of volunteers' time; 1,000,000 micros are one minute.
ISO 4217 has no such currency, and no account that holds money takes it.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the chart: a pattern of account codes, and what they stand for.

    limit: of every such account, until a decision on one of them says otherwise.
    """

    pattern: str
    kind: AccountKind
    holds: str
    limit: AccountLimit = AccountLimit.NONE
    unit: Unit = Unit.MONEY


_ASSET, _LIABILITY = AccountKind.ASSET, AccountKind.LIABILITY
_INCOME, _EXPENSE = AccountKind.INCOME, AccountKind.EXPENSE

CLAIMED = Row("partner/{partner}/claimed", _ASSET, "what a platform says was paid")
SETTLED = Row("partner/{partner}/settled", _ASSET, "what is on a platform's bill")
DISPUTED = Row("partner/{partner}/disputed", _ASSET, "what payers contest")
SUSPENSE = Row("partner/{partner}/suspense", _LIABILITY, "gifts not yet attributed")
FEES = Row("partner/{partner}/fees", _EXPENSE, "what a platform kept for itself")
FUND = Row("project/{project}/fund", _LIABILITY, "what is restricted to a project")
CLEARING = Row("charity/{charity}/clearing", _ASSET, "what was paid out and is not yet at the bank")
BANK = Row("charity/{charity}/bank", _ASSET, "what is on a charity's bank statement")
# Money passes through these, so that a pair of accounts has one meaning; they are empty.
ELSEWHERE = Row("partner/{partner}/elsewhere", _ASSET, "nothing: what another company counts")
SPENT = Row("partner/{partner}/spent", _ASSET, "nothing: what charities have used")
ALLOCATED = Row("partner/{partner}/allocated", _ASSET, "nothing: what is being allocated")
# Personal appeals have accounts of their own wherever charity's money has.
APPEAL_SETTLED = Row("partner/{partner}/appeals-settled", _ASSET, "appeals' on a platform's bill")
APPEAL_DISPUTED = Row("partner/{partner}/appeals-disputed", _ASSET, "appeals' that payers contest")
APPEAL_FUND = Row("appeal/{project}/fund", _LIABILITY, "what is restricted to a personal appeal")
APPEAL_BANK = Row("appeal/{project}/bank", _ASSET, "what was paid out to an appeal's person")
PLEDGED = Row("sponsor/{sponsor}/pledged", _ASSET, "what a sponsor promised and has not yet paid")
POOL = Row(
    "sponsor/{sponsor}/pool",
    _LIABILITY,
    "what of a sponsor's pledge has not yet gone to a project",
    limit=AccountLimit.DEBITS_WITHIN_CREDITS,
)
GIVEN_TIME = Row(
    "charity/{charity}/minutes",
    _INCOME,
    "the time that volunteers gave to a charity",
    unit=Unit.MINUTES,
)
USED_TIME = Row(
    "project/{project}/minutes",
    _EXPENSE,
    "the time of volunteers that went into a project",
    unit=Unit.MINUTES,
)

CHART: tuple[Row, ...] = (
    *(CLAIMED, SETTLED, DISPUTED, SUSPENSE, FEES, FUND, CLEARING, BANK, ELSEWHERE, SPENT),
    ALLOCATED,
    *(APPEAL_SETTLED, APPEAL_DISPUTED, APPEAL_FUND, APPEAL_BANK),
    *(PLEDGED, POOL),
    *(GIVEN_TIME, USED_TIME),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a code stands in the chart."""

    row: Row
    owner: str


CODE = re.compile(r"[a-z0-9._-]{1,64}")
"""The codes of partners, projects, campaigns, charities and sponsors."""

_MATCHERS = tuple(
    (row, re.compile(re.sub(r"\{\w+\}", f"({CODE.pattern})", row.pattern))) for row in CHART
)


@lru_cache(maxsize=65_536)
def place(code: str) -> Place:
    """Finds an account code in the chart. Raises Fault(ACCOUNT_NOT_IN_CHART)."""
    for row, matcher in _MATCHERS:
        if match := matcher.fullmatch(code):
            return Place(row, match[1])
    patterns = ", ".join(row.pattern for row in CHART)
    raise Fault(
        Reason.ACCOUNT_NOT_IN_CHART,
        f"account {code[:160]!r} fits no row of the chart of accounts; use one of {patterns}",
        account=code[:160],
    )


def require_unit(name: AccountName) -> None:
    """That the chart provides for the account, in this currency or unit.

    Raises Fault(CURRENCY_UNKNOWN), Fault(ACCOUNT_NOT_IN_CHART) and Fault(UNIT_MISMATCH).
    """
    if name.currency != MINUTES:
        require_currency(name.currency)
    unit = place(name.code).row.unit
    if (unit is Unit.MINUTES) != (name.currency == MINUTES):
        raise Fault(
            Reason.UNIT_MISMATCH,
            f"account {name.code} holds {unit.value}, and {name.currency} is none; "
            f"time is counted in {MINUTES}, on accounts for time alone",
            account=name.code,
        )
