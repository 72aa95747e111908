"""The nouns: claims beside what stands, and quarantined notices with their replays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.donations.domain import Outcome, Rail
from services.donations.life.reports import DisputeStatus
from services.donations.life.transitions import State
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
    """What was reported of a gift or of what happened to one, or of an order; codes are empty where
    it says none.

    amount_micros: of an order what its pledge gives; None where no amount is reported, and currency
    is then empty. event_time_micros: None where a rail's report is the claim. paid_micros: what was
    paid for an order. rail: that a gift was paid on. dispute: a dispute's status. stage: of an
    event.
    """

    amount_micros: int | None
    currency: str
    event_time_micros: int | None
    project: str = ""
    campaign: str = ""
    cumulative: bool = False
    paid_micros: int | None = None
    pledge: str = ""
    rail: Rail | None = None
    dispute: DisputeStatus | None = None
    stage: State | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A claim, and what is recorded under its ids.

    refund_id: of the refund, dispute or event that it is about; empty where it is about a gift or
    an order. recorded_time: of the refund, dispute or stage, else of the gift.
    """

    partner: str
    external_id: str
    refund_id: str
    reason: Reason
    received_time: datetime
    claim: Content
    gift: Content | None
    refund: Content | None
    dispute: Content | None
    stage: Content | None
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
