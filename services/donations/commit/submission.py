"""What is handed to the committer, and what comes back of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.donations.allocation.allocation import AllocationStep, Progress
from services.donations.domain import Gift, Key, Outcome, Refund
from services.donations.gifts.columns import GiftColumns, exact_sum
from services.donations.life.reports import Dispute, Fact, StageEvent
from services.donations.pledges.pledge import PledgedOrder
from services.runtime.errors import Reason


class StreamPosition(NamedTuple):
    """How far a partner's stream is durable once its submission is."""

    partner: str
    stream_id: str
    next_offset: int


class Watermark(NamedTuple):
    """A partner says that all its gifts made before this moment have been sent."""

    partner: str
    complete_until: datetime


# Made by the thousand, like gifts, and therefore not frozen.
@dataclass(slots=True, eq=False)
class Submission:
    """Reports that become durable together. Everything in it is checked already.

    gifts, columns: gifts one by one, or in columns; either of the two.
    refunds, disputes, stages: what happened to gifts, which may be in the same submission.
    awaited: gifts that something waits for, to be booked now.
    allocation: gifts to allocate; it is all that its submission holds, and is committed alone.
    orders: orders that give the gifts. gift_orders: for each gift the position of its order; empty
    where there are no orders. The gifts of an order are recorded with it, or none of them.
    """

    gifts: Sequence[Gift] = ()
    columns: GiftColumns | None = None
    refunds: Sequence[Refund] = ()
    disputes: Sequence[Dispute] = ()
    stages: Sequence[StageEvent] = ()
    awaited: Sequence[Key] = ()
    orders: Sequence[PledgedOrder] = ()
    gift_orders: Sequence[int] = ()
    position: StreamPosition | None = None
    watermark: Watermark | None = None
    allocation: AllocationStep | None = None

    @property
    def gift_count(self) -> int:
        """How many gifts it holds."""
        return len(self.gifts) if self.columns is None else len(self.columns)

    @property
    def facts(self) -> Sequence[Fact]:
        """All that happened to gifts."""
        return (*self.refunds, *self.disputes, *self.stages)

    @property
    def weight(self) -> int:
        """How many rows it is worth to the queue; at least one."""
        others = len(self.facts) + len(self.awaited) + len(self.orders)
        if self.allocation is not None:
            others += len(self.allocation.keys)
        return max(1, self.gift_count + others)

    @property
    def micros(self) -> int:
        """What its amounts sum up to."""
        gifts = (
            sum(gift.amount_micros for gift in self.gifts)
            if self.columns is None
            else exact_sum(self.columns.amounts_micros)
        )
        refunds = sum(refund.amount_micros for refund in self.refunds)
        return gifts + refunds + sum(dispute.amount_micros for dispute in self.disputes)


class Fate(NamedTuple):
    """What became of one refund, dispute or stage.

    outcome: ACCEPTED, WAITING, REPLAYED or CONFLICTING. batch_id: the batch that booked it, if any.
    reason: why it conflicts: REFUND_CONFLICT, DISPUTE_CONFLICT, STAGE_CONFLICT,
    CURRENCY_MISMATCH or REPORTS_EXCEEDED.
    """

    outcome: Outcome
    batch_id: UUID | None = None
    reason: Reason | None = None


class Committed(NamedTuple):
    """What became of a submission, now that it is durable.

    batch_id: the batch that carries what was accepted; None if nothing was.
    outcomes: one a gift, as numbers of Outcome, in the submission's order.
    refunds, disputes, stages: one each, in the submission's order.
    orders: one an order, in the submission's order. allocated: of its step.
    """

    batch_id: UUID | None
    recorded_time: datetime
    outcomes: NDArray[np.uint8]
    refunds: Sequence[Fate] = ()
    disputes: Sequence[Fate] = ()
    stages: Sequence[Fate] = ()
    orders: Sequence[Outcome] = ()
    allocated: Progress | None = None

    @property
    def facts(self) -> Sequence[Fate]:
        """What became of all that happened to gifts."""
        return (*self.refunds, *self.disputes, *self.stages)
