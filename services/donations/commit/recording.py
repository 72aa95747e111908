"""What happens in one transaction: how a group of submissions becomes durable.

Gifts become rows, refunds become rows and are booked where their gift is, what conflicts is kept
as a claim, and what was accepted is summed into one batch with its outbox row. Every step handles
all rows at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.donations.commit.group import OUTCOME_OF_FATE, Group
from services.donations.commit.order_recording import (
    order_claims,
    order_outcomes,
    record_orders,
)
from services.donations.commit.refund_recording import record_refunds
from services.donations.commit.submission import Committed, RefundFate
from services.donations.domain import Key, Line, Outcome, moment_of
from services.donations.gifts.batch import EMPTY_DIGEST, Batch
from services.donations.gifts.lines import gift_lines, summed
from services.donations.gifts.rows import GiftRows
from services.donations.store import batches, claims, gifts
from services.donations.store.claims import Claim
from services.donations.store.driver import Driver
from services.donations.store.gift_format import digest_of
from services.runtime.errors import Reason

_NO_OUTCOMES = np.empty(0, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a group.

    batch_id: None if nothing was accepted. outcomes: of its gifts, in key order.
    results: one a submission.
    """

    batch_id: UUID | None
    outcomes: NDArray[np.uint8]
    results: Sequence[Committed]

    @property
    def repeats(self) -> int:
        """How many gifts were recorded before."""
        known = (self.outcomes == Outcome.REPLAYED) | (self.outcomes == Outcome.CONFLICTING)
        return int(known.sum())

    @property
    def waiting(self) -> int:
        """How many refunds wait for their gift now."""
        return sum(
            fate.outcome is Outcome.WAITING for result in self.results for fate in result.refunds
        )


async def record(
    driver: Driver, group: Group, batch_id: UUID, now: datetime, *, staged: bool
) -> Recorded:
    """Does all of it within the driver's transaction. batch_id: for the batch, if there is one.

    staged: whether to expect repeats among the gifts. If not, and there is one, raises
    store.gifts.RepeatFound; the transaction must then be rolled back and begun anew.
    """
    rows, claimed = group.gifts, list[Claim]()
    outcomes, accepted = _NO_OUTCOMES, None
    lines: list[Line] = []
    events: list[int] = []
    order_fates, passing = list[int](), None
    if group.orders:
        order_fates, passing = await record_orders(driver, group)
        claimed += order_claims(group, order_fates)
        rows = None if rows is None else rows.keep(passing)
    if rows is not None:
        insert = gifts.insert_staged if staged else gifts.insert_new
        fates = await insert(driver, rows, batch_id)
        outcomes = OUTCOME_OF_FATE[fates]
        outcomes[(fates == gifts.NEW) & rows.suspended] = Outcome.SUSPENDED
        claimed += _gift_claims(rows, np.flatnonzero(fates == gifts.OTHER))
        lines += gift_lines(rows, fates == gifts.NEW)
        accepted = rows.take(np.flatnonzero(fates == gifts.NEW))
        events += accepted.event_times_micros.max(initial=0, keepdims=True).tolist()
    refund_fates = list[RefundFate]()
    if group.refunds or group.awaited:
        refund_fates, booked_lines, booked_events = await record_refunds(
            driver, group, batch_id, now, claimed
        )
        lines += booked_lines
        events += booked_events
    if lines:
        batch = _batch(group, batch_id, now, accepted, summed(lines), max(events))
        await batches.write(driver, batch)
    await claims.keep(driver, claimed, now)
    await batches.advance(driver, _offsets(group))
    made = batch_id if lines else None
    bought = list[Outcome]()
    if passing is not None:
        # What did not pass came with an order that is there already.
        passed, outcomes = outcomes, np.full(len(passing), Outcome.REPLAYED, dtype=np.uint8)
        outcomes[passing] = passed
        bought = order_outcomes(group, order_fates, outcomes)
    results = _results(group, made, now, outcomes, refund_fates, bought)
    return Recorded(made, outcomes, results)


def _batch(
    group: Group,
    batch_id: UUID,
    now: datetime,
    accepted: GiftRows | None,
    lines: Sequence[Line],
    latest_event: int,
) -> Batch:
    watermarks: dict[str, datetime] = {}
    for submission in group.submissions:
        if submission.watermark is not None:
            partner, complete_until = submission.watermark
            watermarks[partner] = max(watermarks.get(partner, complete_until), complete_until)
    return Batch(
        batch_id,
        now,
        0 if accepted is None else len(accepted),
        EMPTY_DIGEST if accepted is None else digest_of(accepted),
        moment_of(latest_event),
        lines,
        watermarks,
    )


def _offsets(group: Group) -> dict[tuple[int, str], int]:
    offsets: dict[tuple[int, str], int] = {}
    for submission in group.submissions:
        if submission.position is not None:
            partner, stream_id, offset = submission.position
            key = group.partner_ids[partner], stream_id
            offsets[key] = max(offsets.get(key, 0), offset)
    return offsets


def _results(
    group: Group,
    batch_id: UUID | None,
    now: datetime,
    outcomes: NDArray[np.uint8],
    refund_fates: Sequence[RefundFate],
    orders: Sequence[Outcome],
) -> list[Committed]:
    as_submitted = np.empty_like(outcomes)
    if group.gifts is not None:
        as_submitted[group.gifts.order] = outcomes
    results = []
    refunds_seen = orders_seen = 0
    for number, submission in enumerate(group.submissions):
        mine = as_submitted[group.starts[number] : group.starts[number + 1]]
        fates = refund_fates[refunds_seen : refunds_seen + len(submission.refunds)]
        refunds_seen += len(submission.refunds)
        mine_of_orders = orders[orders_seen : orders_seen + len(submission.orders)]
        orders_seen += len(submission.orders)
        results.append(Committed(batch_id, now, mine, fates, mine_of_orders))
    return results


def _gift_claims(rows: GiftRows, places: NDArray[np.int64]) -> Iterable[Claim]:
    for place in places.tolist():
        target = rows.targets[rows.target_indexes[place]]
        external_id = rows.external_ids[place].decode()
        yield Claim(
            Key(int(rows.buckets[place]), int(rows.partner_ids[place]), external_id),
            "",
            Reason.DONATION_CONFLICT,
            {
                "amount_micros": int(rows.amounts_micros[place]),
                "currency": target.currency,
                "project": target.project,
                "campaign": target.campaign,
                "event_time_micros": int(rows.event_times_micros[place]),
                "donor_token": rows.donor_tokens[place].tobytes().hex(),
            },
        )
