"""What is recorded of gifts, for those who ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.donations.allocation.allocation import RecordedAllocation
from services.donations.domain import Gift, LineKind
from services.donations.life.reports import Dispute, StageEvent
from services.donations.life.transitions import State


@dataclass(frozen=True, slots=True)
class RecordedRefund:
    """A refund as it is recorded. batch_id: the batch that booked it; None while it waits.

    partner: who reported it, the gift's own company or its rail.
    """

    refund_id: str
    amount_micros: int
    currency: str
    cumulative: bool
    event_time_micros: int
    batch_id: UUID | None
    partner: str = ""


@dataclass(frozen=True, slots=True)
class RecordedReport:
    """One company's report of a gift. belongs_to: whose gift it is, and under which id.

    counts: whether it is the one that the books count.
    """

    partner: str
    external_id: str
    amount_micros: int
    currency: str
    event_time_micros: int
    recorded_time: datetime
    batch_id: UUID
    belongs_to: tuple[str, str]

    @property
    def counts(self) -> bool:
        """A gift is counted for the company that it was made with."""
        return self.belongs_to == (self.partner, self.external_id)


@dataclass(frozen=True, slots=True)
class RecordedMove:
    """One step of a gift's life as it was booked."""

    kind: LineKind
    micros: int
    recorded_time: datetime
    batch_id: UUID


@dataclass(frozen=True, slots=True)
class RecordedGift:
    """A gift as it is recorded, by one company's report of it.

    What became of it is told the same by each report, as it is booked: suspended, state, and
    refunded_micros, at most the booked amount. booked_currency: of refunded_micros and the moves;
    another than the report's where a rail tells of it in another.
    reports: all that tell of it, its own included. moves: after its own row, in their order.
    allocation: the decision in force by which it left suspense, if it did. allocations: all that
    were made about it, in their order.
    """

    gift: Gift
    recorded_time: datetime
    batch_id: UUID
    suspended: bool
    booked_currency: str
    refunded_micros: int = 0
    refunds: Sequence[RecordedRefund] = ()
    state: State = State.CLAIMED
    reports: Sequence[RecordedReport] = ()
    disputes: Sequence[Dispute] = ()
    stages: Sequence[StageEvent] = ()
    moves: Sequence[RecordedMove] = ()
    allocation: RecordedAllocation | None = None
    allocations: Sequence[RecordedAllocation] = ()

    @property
    def external_id(self) -> str:
        """The partner's id of it."""
        return self.gift.external_id
