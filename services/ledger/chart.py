"""The chart of accounts: which accounts there can be, what each is, and whose.

Assets say where the money is, liabilities whose it is. `{…}` stands for the owner: a partner's,
project's or charity's code.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from services.ledger.domain import AccountKind
from services.runtime.errors import Fault, Reason


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the chart: a pattern of account codes, and what they stand for."""

    pattern: str
    kind: AccountKind
    holds: str


CLAIMED = Row("partner/{partner}/claimed", AccountKind.ASSET, "what a platform says was paid")
SETTLED = Row("partner/{partner}/settled", AccountKind.ASSET, "what is on a platform's bill")
SUSPENSE = Row("partner/{partner}/suspense", AccountKind.LIABILITY, "gifts not yet attributed")
FEES = Row("partner/{partner}/fees", AccountKind.EXPENSE, "what a platform kept for itself")
FUND = Row("project/{project}/fund", AccountKind.LIABILITY, "what is restricted to a project")
APPEAL_FUND = Row(
    "appeal/{project}/fund", AccountKind.LIABILITY, "what is restricted to a personal appeal"
)
BANK = Row("charity/{charity}/bank", AccountKind.ASSET, "what is on a charity's bank statement")

CHART: tuple[Row, ...] = (CLAIMED, SETTLED, SUSPENSE, FEES, FUND, APPEAL_FUND, BANK)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a code stands in the chart."""

    row: Row
    owner: str


CODE = re.compile(r"[a-z0-9._-]{1,64}")
"""The codes of partners, projects, campaigns and charities."""

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
