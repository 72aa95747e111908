"""What every platform's adapter speaks: a notice comes in, reports come out.

An adapter verifies before it believes anything, and reports only what the notice says. It knows
neither the database nor what was reported before: a notice may come in any order, any number of
times, and reads the same each time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from services.donations.domain import Rail
from services.donations.life.reports import DisputeStatus
from services.runtime.errors import Fault, Reason

BODY_LIMIT_BYTES = 1 << 20
"""No platform's notice is longer; the contract of AcceptNotification says so too."""


# Made by the thousand, like gifts, and therefore not frozen; nor is GiftReport.
@dataclass(slots=True)
class Notice:
    """An HTTP request of a platform, as it was received.

    query: what follows "?", undecoded. headers: by their names in lower case.
    """

    http_method: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @classmethod
    def received(
        cls, http_method: str, query: str, headers: Iterable[tuple[str, str]], body: bytes
    ) -> "Notice":
        """Joins repeated headers with ", " as RFC 9110 says, so that none hides behind another."""
        pairs = [(name.lower(), value) for name, value in headers]
        joined = dict(pairs)
        if len(joined) < len(pairs):
            joined.clear()
            for name, value in pairs:
                joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return cls(http_method.upper(), query, joined, body)


@dataclass(slots=True)
class GiftReport:
    """A platform says that a gift was paid.

    external_id: the platform's id of the payment. project, campaign: codes as reported; "" where
    the notice names none, or nothing that is a code. amount_micros: positive. event_time: when the
    payer paid, UTC. donor_reference: the platform's id of the payer, or "". rail: how the payment
    channel names it, where the notice says so and the channel is another company's.
    """

    external_id: str
    project: str
    campaign: str
    amount_micros: int
    currency: str
    event_time: datetime
    donor_reference: str = field(default="", repr=False)
    rail: Rail | None = None


@dataclass(frozen=True, slots=True)
class RefundReport:
    """A platform says that a gift was given back, in full or in part.

    refund_id: unique within the gift. amount_micros: positive; where cumulative, the running total
    of the gift's refunds so far. event_time: when it was given back, UTC.
    """

    external_id: str
    refund_id: str
    amount_micros: int
    currency: str
    cumulative: bool
    event_time: datetime


@dataclass(frozen=True, slots=True)
class DisputeReport:
    """A platform says that a payer contests a gift, or how that ended.

    dispute_id: unique within the gift. amount_micros: what is contested; where it was lost, what
    the payer got. event_time: when it was opened or closed, UTC.
    """

    external_id: str
    dispute_id: str
    status: DisputeStatus
    amount_micros: int
    currency: str
    event_time: datetime


Report = GiftReport | RefundReport | DisputeReport


class Acknowledgement(NamedTuple):
    """What to answer so that the platform does not send the notice again."""

    http_status: int
    content_type: str
    body: bytes


class Probe(Fault):
    """SIGNATURE_INVALID on purpose: the platform tests that signatures are verified.

    Refuse it like any forged notice, but raise no alarm and keep no copy.
    """

    def __init__(self, platform: str) -> None:
        super().__init__(Reason.SIGNATURE_INVALID, f"a signature test of {platform}; refused")


class Platform(Protocol):
    """One platform's notices. Each is one file, and one row of the table in `__init__`."""

    @property
    def code(self) -> str:
        """The platform's partner code and its name in the callback's path."""

    @property
    def acknowledgement(self) -> Acknowledgement:
        """The answer to every notice that was taken in."""

    def read(self, notice: Notice, now: datetime) -> list[Report]:
        """Verifies the notice, then parses it. now: aware.

        An empty list means that it is genuine and moves no money. Raises Fault with
        SIGNATURE_INVALID (a Probe, if the platform only tests us), TIMESTAMP_STALE,
        NOTIFICATION_MALFORMED or RECIPIENT_MISMATCH.
        """
