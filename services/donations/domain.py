"""The nouns of intake. Plain Python: no wire, no database.

Money is an int of micros (millionths of a currency's unit) beside an ISO 4217 code. Moments of
events are ints of microseconds since 1970-01-01T00:00:00Z, because they come and go in columns of
thousands; `event_time_micros` says so. Moments of our own are aware datetimes in UTC.
"""

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

BUCKETS = 16
"""How many buckets the gifts are spread over: the unit of reconciliation and of distribution."""

HOUR_MICROS = 3_600_000_000

HOME_ZONE = "Asia/Shanghai"
"""The time zone of the ledger's own calendar."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Outcome(IntEnum):
    """What became of one report; numbered as in the proto."""

    ACCEPTED = 1
    REPLAYED = 2
    SUSPENDED = 3
    CONFLICTING = 4
    WAITING = 5
    REFUSED = 6
    IGNORED = 7


class LineKind(IntEnum):
    """What one line of a batch says; numbered as in the proto and in the database."""

    GIFT = 1
    SUSPENDED_GIFT = 2
    REFUND = 3
    SUSPENDED_REFUND = 4
    JOIN = 5
    SUSPENDED_JOIN = 6
    SETTLEMENT = 7
    RECEIPT = 8
    SPENDING = 9
    SETTLED_REFUND = 10
    DISPUTE = 11
    SETTLED_DISPUTE = 12
    # What is taken back of each.
    REFUND_BACK = 13
    SUSPENDED_REFUND_BACK = 14
    SETTLEMENT_BACK = 15
    RECEIPT_BACK = 16
    SPENDING_BACK = 17
    SETTLED_REFUND_BACK = 18
    DISPUTE_BACK = 19
    SETTLED_DISPUTE_BACK = 20
    # Out of suspense, and to the project that finance allocates.
    RELEASE = 21
    ALLOCATION = 22
    # And what is taken back of that.
    RELEASE_BACK = 23
    ALLOCATION_BACK = 24


class Purpose(IntEnum):
    """Whether money is given to charity or to a personal appeal; numbered as in the proto and in
    the database. UNATTRIBUTED: it stands in suspense, so neither is known.
    """

    CHARITY = 1
    APPEAL = 2
    UNATTRIBUTED = 3


class SuspenseReason(IntEnum):
    """Why a gift stands in suspense; numbered as in the database."""

    PROJECT_MISSING = 1
    PROJECT_UNKNOWN = 2
    PROJECT_CLOSED = 3
    CAMPAIGN_UNKNOWN = 4
    CAMPAIGN_NOT_OPEN = 5
    CHARITY_NOT_QUALIFIED = 6


class Key(NamedTuple):
    """What names a gift in the database. Keys sort as the database's primary key does."""

    bucket: int
    partner_id: int
    external_id: str


class Rail(NamedTuple):
    """How the rail that a gift was paid on names it: the rail's partner code, and its own id."""

    code: str
    external_id: str


# Nothing changes one, though nothing forbids it: a frozen one costs ten times as much to make.
@dataclass(slots=True)
class Gift:
    """A gift as its partner reports it.

    project, campaign: codes as reported; may be empty. donor_token: 16 bytes, or none if unknown.
    rail: None where the partner names none.
    """

    partner: str
    external_id: str
    project: str
    campaign: str
    amount_micros: int
    currency: str
    event_time_micros: int
    donor_token: bytes = field(default=b"", repr=False)
    rail: Rail | None = None


class Attribution(NamedTuple):
    """Where a gift counts. campaign: may be empty."""

    project: str
    campaign: str


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as its partner reports it.

    amount_micros: what this refund gives back; where cumulative, the gift's running total.
    """

    partner: str
    external_id: str
    refund_id: str
    amount_micros: int
    currency: str
    cumulative: bool
    event_time_micros: int


class Line(NamedTuple):
    """The sum of a batch's gifts or moves that share all but the last two.

    campaign: as reported; of allocated gifts that for which they count. project: empty in suspense;
    purpose is then UNATTRIBUTED.
    charity: only where its bank account is moved. hour: hours since 1970-01-01T00:00:00Z, of the
    gifts, whatever happened to them later. micros: positive. gift_count: gifts that came into what
    the line says, or that left it where it takes back; a gift's later moves of a kind count 0.
    """

    kind: LineKind
    partner: str
    campaign: str
    project: str
    purpose: Purpose
    charity: str
    currency: str
    hour: int
    micros: int
    gift_count: int


def bucket_of(external_id: str) -> int:
    """The bucket of a gift: CRC-32 of its id's bytes, modulo BUCKETS."""
    return zlib.crc32(external_id.encode("ascii")) % BUCKETS


def micros_of(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970-01-01T00:00:00Z, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(micros: int) -> datetime:
    """Microseconds since 1970-01-01T00:00:00Z as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=micros)
