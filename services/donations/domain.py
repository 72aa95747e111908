"""The nouns of intake. Plain Python: no wire, no database.

Money is an int of micros (millionths of a currency's unit) beside an ISO 4217 code. Moments of
events are ints of microseconds since 1970-01-01T00:00:00Z, because they come and go in columns of
thousands; `event_time_micros` says so. Moments of our own are aware datetimes in UTC.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

BUCKETS = 16
"""How many buckets the gifts are spread over: the unit of reconciliation and of distribution."""

HOUR_MICROS = 3_600_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


@dataclass(frozen=True, slots=True)
class Gift:
    """A gift as its partner reports it.

    project, campaign: codes as reported; may be empty. donor_token: 16 bytes, or none if unknown.
    """

    partner: str
    external_id: str
    project: str
    campaign: str
    amount_micros: int
    currency: str
    event_time_micros: int
    donor_token: bytes = field(default=b"", repr=False)


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


@dataclass(frozen=True, slots=True)
class RecordedRefund:
    """A refund as it is recorded. batch_id: the batch that booked it; None while it waits."""

    refund_id: str
    amount_micros: int
    currency: str
    cumulative: bool
    event_time_micros: int
    batch_id: UUID | None


@dataclass(frozen=True, slots=True)
class RecordedGift:
    """A gift as it is recorded. refunded_micros: at most the amount."""

    gift: Gift
    recorded_time: datetime
    batch_id: UUID
    suspended: bool
    refunded_micros: int = 0
    refunds: Sequence[RecordedRefund] = ()


class Line(NamedTuple):
    """The sum of a batch's gifts or refunds that share all but the last two.

    campaign: as reported. project: empty in suspense; purpose is then UNATTRIBUTED. hour: hours
    since 1970-01-01T00:00:00Z, of the gifts, also where refunds are summed. micros: positive.
    gift_count: gifts that came into what the line says; a gift's later refunds on the same line
    count 0.
    """

    kind: LineKind
    partner: str
    campaign: str
    project: str
    purpose: Purpose
    currency: str
    hour: int
    micros: int
    gift_count: int


def bucket_of(external_id: str) -> int:
    """The bucket of a gift: CRC-32 of its id's bytes, modulo BUCKETS."""
    return zlib.crc32(external_id.encode("ascii")) % BUCKETS


def micros_of(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970-01-01T00:00:00Z, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(micros: int) -> datetime:
    """Microseconds since 1970-01-01T00:00:00Z as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=micros)
