"""What partners say: gifts, refunds, disputes, and each time they say it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto


@dataclass(frozen=True, slots=True)
class Rail:
    """The company on whose payment channel a gift was paid, and that company's own id of it."""

    partner: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Gift:
    """One act of giving, as its partner knows it.

    amount_micros: positive; of the grain that its platform can state.
    event_time: aware UTC; whole seconds for platforms whose notices state seconds.
    project: "" where the payer's page named none (possible in native notices only); else the code
        of a charity's project or of a personal appeal.
    rail: None where the partner's own channel moved the money.
    """

    partner: str
    external_id: str
    project: str
    campaign: str
    amount_micros: int
    event_time: datetime
    donor: str
    currency: str = "CNY"
    rail: Rail | None = None


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back.

    amount_micros: what this refund gives back.
    total_micros: what this one and the gift's refunds before it give back together; Alipay's
        and Stripe's notices state this one.
    same_as: where a rail's company tells of it, what the gift's own partner calls the refund; "" if
        that is who tells.
    """

    gift: Gift
    refund_id: str
    amount_micros: int
    total_micros: int
    event_time: datetime
    same_as: str = ""


class DisputeStatus(StrEnum):
    """What became of a dispute."""

    OPENED = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Dispute:
    """One thing that happened to a dispute. amount_micros: what is contested, the same each time.

    event_time: of this.
    """

    gift: Gift
    dispute_id: str
    status: DisputeStatus
    amount_micros: int
    event_time: datetime


Subject = Gift | Refund | Dispute


def gift_of(subject: Subject) -> Gift:
    """The gift that something is about."""
    return subject if isinstance(subject, Gift) else subject.gift


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
    RAIL = auto()


@dataclass(frozen=True, slots=True)
class Report:
    """One message about one gift, refund or dispute.

    A FORGED one must be refused: a native notice signed by a stranger, or a call that names another
    partner than the caller's certificate; so must a PROBE, whose signature its platform made wrong
    to see whether we look. A CONFLICT tells another amount than was told before. A RAIL one is the
    first that a rail's company tells of another partner's gift, or of its refund.
    """

    subject: Subject
    kind: Kind
    way: Way
