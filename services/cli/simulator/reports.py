"""What partners say: gifts, refunds, and each time they say it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Gift:
    """One act of giving, as its partner knows it.

    amount_micros: positive; of the grain that its platform can state.
    event_time: aware UTC; whole seconds for platforms whose notices state seconds.
    project: "" where the payer's page named none (possible in native notices only); else the code
        of a charity's project or of a personal appeal.
    """

    partner: str
    external_id: str
    project: str
    campaign: str
    amount_micros: int
    event_time: datetime
    donor: str
    currency: str = "CNY"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back.

    amount_micros: what this refund gives back.
    total_micros: what this one and the gift's refunds before it give back together; Alipay's
        and Stripe's notices state this one.
    """

    gift: Gift
    refund_id: str
    amount_micros: int
    total_micros: int
    event_time: datetime


class Way(Enum):
    """How a report travels."""

    NOTICE = auto()
    STREAM = auto()
    CALL = auto()


class Kind(Enum):
    """What is special about a report."""

    FIRST = auto()
    REPEAT = auto()
    CONFLICT = auto()
    FORGED = auto()
    PROBE = auto()


@dataclass(frozen=True, slots=True)
class Report:
    """One message about one gift or refund.

    A FORGED one must be refused: a native notice signed by a stranger, or a call that names another
    partner than the caller's certificate; so must a PROBE, whose signature its platform made wrong
    to see whether we look. A CONFLICT tells another amount than was told before.
    """

    subject: Gift | Refund
    kind: Kind
    way: Way
