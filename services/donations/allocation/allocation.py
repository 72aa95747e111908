"""The nouns: what is to be allocated to which project, and what became of it, step by step."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from services.donations.domain import Key, SuspenseReason
from services.donations.gifts.validation import is_external_id, require_code
from services.runtime.errors import Fault, Reason

GIFTS_MAX = 1_000
"""Gifts that one request names."""

STEP_GIFTS = 1_000
"""Gifts of one step, which is one transaction: below the lines that a batch may have, whatever
happened to each of them.
"""


class AllocationOutcome(IntEnum):
    """What became of one gift; numbered as in the proto and in the database."""

    ALLOCATED = 1
    ALLOCATED_BEFORE = 2
    NOT_FOUND = 3
    NOT_SUSPENDED = 4
    COUNTED_ELSEWHERE = 5
    REFUNDED = 6
    PROJECT_CLOSED = 7
    CHARITY_NOT_QUALIFIED = 8
    CAMPAIGN_UNKNOWN = 9
    CAMPAIGN_NOT_OPEN = 10
    APPEAL_NOT_NAMED = 11
    NOT_ALLOCATED = 12
    PAID_OUT = 13


class GiftName(NamedTuple):
    """A gift, by its partner's id."""

    partner: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Suspended:
    """What one partner reported that stands in suspense.

    project: the code as reported, empty for none; None for any. reason: None for any.
    """

    partner: str
    project: str | None = None
    reason: SuspenseReason | None = None


@dataclass(frozen=True, slots=True)
class Allocated:
    """What finance allocated of one partner's gifts to a project.

    request_id: only by this request; None for any.
    """

    partner: str
    project: str
    request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Allocation:
    """What is to be allocated. what: named gifts, or all of a kind.

    project: empty for back into suspense. without_campaign: gifts that their campaign cannot have
    count for none; else they are left. again: what was allocated before is meant, and nothing else.
    """

    project: str
    what: Sequence[GiftName] | Suspended | Allocated
    without_campaign: bool = False
    again: bool = False

    @property
    def content(self) -> Mapping[str, object]:
        """What makes two requests the same, but for the project; as JSON can hold it."""
        content: dict[str, object] = {"without_campaign": self.without_campaign}
        if self.again:
            content["again"] = True
        if isinstance(self.what, Suspended):
            content["partner"] = self.what.partner
            if self.what.project is not None:
                content["project"] = self.what.project
            if self.what.reason is not None:
                content["reason"] = int(self.what.reason)
        elif isinstance(self.what, Allocated):
            content["partner"] = self.what.partner
            content["allocated_to"] = self.what.project
            if self.what.request_id is not None:
                content["allocated_by"] = str(self.what.request_id)
        else:
            # Neither code nor id holds a space or a line's end.
            names = "\n".join(f"{partner} {external_id}" for partner, external_id in self.what)
            content["gifts"] = len(self.what)
            content["gifts_sha256"] = sha256(names.encode()).hexdigest()
        return content


class Place(NamedTuple):
    """Where a step ended among a partner's gifts."""

    bucket: int
    external_id: str


BEFORE_ALL = Place(0, "")


@dataclass(frozen=True, slots=True)
class AllocationStep:
    """A part of an allocation that becomes durable together.

    keys: the gifts; None for one of a partner that has reported nothing. number: from 1 within the
    request. end: where the next step goes on. is_named: whether each gift's outcome is to be told.
    again: as of the allocation.
    """

    request_id: UUID
    project: str
    without_campaign: bool
    number: int
    keys: Sequence[Key | None]
    end: Place
    is_last: bool
    is_named: bool
    again: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a request's gifts so far.

    sums: what was left of the allocated ones, in micros by currency. outcomes: of named gifts, in
    the request's order.
    """

    steps: int = 0
    counts: Mapping[AllocationOutcome, int] = field(default_factory=dict)
    sums: Mapping[str, int] = field(default_factory=dict)
    outcomes: Sequence[AllocationOutcome] = ()
    end: Place = BEFORE_ALL
    is_done: bool = False

    def then(self, step: "Progress") -> "Progress":
        """With the next step."""
        return Progress(
            self.steps + step.steps,
            Counter(self.counts) + Counter(step.counts),
            Counter(self.sums) + Counter(step.sums),
            [*self.outcomes, *step.outcomes],
            step.end,
            step.is_done,
        )


class Standing(NamedTuple):
    """What stands in suspense of one kind: gifts, and what is left of them.

    project: as reported. partner_id: of the partner here.
    """

    partner: str
    project: str
    reason: SuspenseReason
    currency: str
    gifts: int
    micros: int
    partner_id: int


@dataclass(frozen=True, slots=True)
class RecordedAllocation:
    """A decision about a gift as it is recorded. project: empty for back into suspense.

    campaign: for which the gift counts; may be empty.
    """

    project: str
    campaign: str
    caller: str
    request_id: UUID
    allocate_time: datetime


class StepTaken(Exception):
    """Another call has made the same step of the same request; nothing of this one is recorded."""


def require_allocation(allocation: Allocation) -> Allocation:
    """Returns the allocation; raises Fault(FIELD_REQUIRED, FIELD_INVALID or BATCH_SIZE_INVALID)."""
    what = allocation.what
    if allocation.project or not allocation.again:
        require_code(allocation.project, "project")
    if isinstance(what, Allocated):
        require_code(what.partner, "allocated.partner")
        require_code(what.project, "allocated.project")
        if what.project == allocation.project:
            raise Fault(
                Reason.FIELD_INVALID,
                "these gifts are the project's; say to which other they are to go",
                field="project",
            )
        return allocation
    if isinstance(what, Suspended):
        if allocation.again:
            raise Fault(
                Reason.FIELD_INVALID,
                "what stands in suspense is not allocated, and cannot be allocated again; name "
                "gifts, or say to which project they were allocated",
                field="suspended",
            )
        require_code(what.partner, "suspended.partner")
        if what.project is None and what.reason is None:
            raise Fault(
                Reason.FIELD_REQUIRED,
                "say with which project code the gifts were reported, or why they stand in "
                "suspense, or both",
                field="suspended",
            )
        if what.project:
            require_code(what.project, "suspended.project")
        return allocation
    if not 1 <= len(what) <= GIFTS_MAX:
        raise Fault(Reason.BATCH_SIZE_INVALID, f"name 1 to {GIFTS_MAX:,} gifts")
    for partner, external_id in what:
        require_code(partner, "gifts.gifts.partner")
        if not is_external_id(external_id):
            raise Fault(
                Reason.FIELD_INVALID,
                "an external id has 1 to 64 printable ASCII characters, without spaces",
                field="gifts.gifts.external_id",
            )
    if len(set(what)) < len(what):
        raise Fault(Reason.FIELD_INVALID, "name each gift once", field="gifts.gifts")
    return allocation


def conflict() -> Fault:
    """What is told of a request id that was used for another allocation."""
    return Fault(
        Reason.ALLOCATION_CONFLICT,
        "this request id was used to allocate something else; nothing is done; "
        "a new request needs an id of its own",
    )
