"""The nouns: claims beside what stands, and quarantined notices with their replays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.donations.domain import Outcome
from services.runtime.errors import Fault, Reason

ID_HEX = 64
REPLAYS_MAX = 1_000
"""Replays of one notice that are shown."""


@dataclass(frozen=True, slots=True)
class Window:
    """Received at or after start, and before end; None for no bound. Aware."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What was reported of a gift, a refund or an order; codes are empty where it says none.

    amount_micros: of an order what its pledge gives. paid_micros: what was paid for an order.
    """

    amount_micros: int
    currency: str
    event_time_micros: int
    project: str = ""
    campaign: str = ""
    cumulative: bool = False
    paid_micros: int | None = None
    pledge: str = ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A claim, and what is recorded under its ids. recorded_time: of the refund, else the gift."""

    partner: str
    external_id: str
    refund_id: str
    reason: Reason
    received_time: datetime
    claim: Content
    gift: Content | None
    refund: Content | None
    order: Content | None
    recorded_time: datetime | None
    donor_differs: bool


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A notice without its contents. digest: its name. resolved: a replay has taken it in."""

    digest: bytes
    platform: str
    reason: Reason
    message: str
    received_time: datetime
    body_bytes: int
    resolved: bool
    replays: int


@dataclass(frozen=True, slots=True)
class Replay:
    """What one replay came to: outcomes, or why the notice was refused again."""

    request_id: str
    caller: str
    replay_time: datetime
    outcomes: Sequence[Outcome] = ()
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class WholeNotice:
    """A notice as it was received, with its replays, oldest first."""

    summary: Quarantined
    http_method: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    replays: Sequence[Replay] = ()


def require_notice_id(text: str) -> bytes:
    """The digest that an id says; raises Fault if it can be none."""
    if not text:
        raise Fault(Reason.FIELD_REQUIRED, "name the notice by its id", field="id")
    if len(text) != ID_HEX or not set(text) <= set("0123456789abcdef"):
        raise Fault(
            Reason.FIELD_INVALID,
            f"id must be {ID_HEX} characters of 0-9 and a-f, as ListQuarantine has it",
            field="id",
        )
    return bytes.fromhex(text)


def require_window(window: Window) -> Window:
    """Returns the window if it can hold anything; raises Fault otherwise."""
    if window.start is not None and window.end is not None and window.start >= window.end:
        raise Fault(Reason.FIELD_INVALID, "end_time must lie after start_time", field="end_time")
    return window


def not_found() -> Fault:
    """What is told of a notice that is not there."""
    return Fault(Reason.NOTICE_NOT_FOUND, "no notice of this id is in quarantine")
