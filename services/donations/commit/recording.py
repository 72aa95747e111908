"""What happens in one transaction: how a group of submissions becomes durable.

Gifts become rows, what happened to gifts becomes rows and is booked where its gift is, what
conflicts is kept as a claim, and what was accepted is summed into one batch with its outbox row.
Every step handles all rows at once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.donations.allocation.standing import Kind, StandingChange, added, suspended_of
from services.donations.catalog.memory import StaleCatalog
from services.donations.commit.allocating import record_allocation
from services.donations.commit.claiming import gift_claims
from services.donations.commit.fact_recording import record_facts
from services.donations.commit.group import LINES_MAX, OUTCOME_OF_FATE, Group
from services.donations.commit.linking import rails_among, record_links
from services.donations.commit.order_recording import (
    order_claims,
    order_outcomes,
    record_orders,
)
from services.donations.commit.submission import Committed, Fate
from services.donations.domain import Key, Line, Outcome, micros_of, moment_of
from services.donations.gifts.batch import EMPTY_DIGEST, STATING_PARTNER_MAX, Batch, digest_of
from services.donations.gifts.lines import gift_lines, summed
from services.donations.gifts.rows import GiftRows
from services.donations.store import (
    batches,
    claims,
    gifts,
    links,
    positions,
    sealing,
    suspense_sums,
    watermarks,
)
from services.donations.store.catalog import extent
from services.donations.store.claims import Claim
from services.donations.store.driver import Driver
from services.runtime.errors import Fault, Reason

_NO_OUTCOMES = np.empty(0, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a group.

    batch: None if nothing was accepted. outcomes: of its gifts, in key order. results: one a
    submission. waiting: how many reports wait for others now.
    """

    batch: Batch | None
    outcomes: NDArray[np.uint8]
    results: Sequence[Committed]
    waiting: int = 0

    @property
    def batch_id(self) -> UUID | None:
        """The batch's id; None if there is none."""
        return None if self.batch is None else self.batch.id

    @property
    def repeats(self) -> int:
        """How many gifts were recorded before."""
        known = (self.outcomes == Outcome.REPLAYED) | (self.outcomes == Outcome.CONFLICTING)
        return int(known.sum())


async def record(
    driver: Driver,
    group: Group,
    batch_id: UUID,
    now: datetime,
    *,
    staged: bool,
    carries: bool = False,
) -> Recorded:
    """Does all of it within the driver's transaction. batch_id: for the batch, if there is one.

    staged: whether to expect repeats among the gifts. If not, and there is one, raises
    store.gifts.RepeatFound; the transaction must then be rolled back and begun anew.
    carries: whether the batch is to carry loose seals.
    Raises StaleCatalog where gifts would stand in suspense, or leave it, and the catalog has grown
    since they were placed; the transaction must then be rolled back, and the gifts be placed anew.
    Raises LinkCame and StepTaken as record_allocation does.
    Raises Fault(BATCH_SIZE_INVALID) for a submission that alone comes to more than LINES_MAX lines.
    """
    rows, claimed = group.gifts, list[Claim]()
    outcomes, gifts_digest = _NO_OUTCOMES, EMPTY_DIGEST
    accepted = 0
    seals_some = bool(group.orders or group.facts)
    lines: list[Line] = []
    events: list[int] = []
    standing: list[tuple[Kind, StandingChange]] = []
    touched: Collection[Key] = ()
    waiting = 0
    order_fates, passing = list[int](), None
    if group.orders:
        order_fates, passing = await record_orders(driver, group, batch_id)
        claimed += order_claims(group, order_fates)
        rows = None if rows is None else rows.keep(passing)
    if rows is not None and rows.suspended.any() and await extent(driver) != group.extent:
        raise StaleCatalog
    if rows is not None:
        insert = gifts.insert_staged if staged else gifts.insert_new
        fates, gifts_digest = await insert(driver, rows, batch_id)
        seals_some = seals_some or bool(rows.rails) or bool(rows.suspended.any())
        linked, fates = await record_links(driver, group, rows, fates, batch_id)
        outcomes = OUTCOME_OF_FATE[fates]
        outcomes[(fates == gifts.NEW) & rows.suspended] = Outcome.SUSPENDED
        claimed += gift_claims(rows, np.flatnonzero(fates == gifts.OTHER))
        lines += gift_lines(rows, fates == gifts.NEW)
        new = fates == gifts.NEW
        standing += suspended_of(rows, new)
        accepted = int(new.sum())
        events += rows.event_times_micros[new].max(initial=0, keepdims=True).tolist()
        if group.is_small:
            touched = await _linked(driver, group, rows, linked, fates)
        elif linked:
            await positions.wait(driver, linked.values(), batch_id)
            waiting += len(linked)
    fact_fates = list[Fate]()
    allocated = None
    if group.allocation is not None:
        if await extent(driver) != group.extent:
            raise StaleCatalog
        allocated, booked = await record_allocation(driver, group, batch_id, now)
        seals_some = True
        lines += booked.lines
        events += [*booked.events, micros_of(now)]
        claimed += booked.claims
        standing += booked.standing
        waiting += booked.waiting
    if group.facts or group.awaited or touched:
        fact_fates, booked = await record_facts(driver, group, touched, batch_id, now)
        lines += booked.lines
        events += booked.events
        claimed += booked.claims
        standing += booked.standing
        waiting += booked.waiting
    await claims.keep(driver, claimed, batch_id, now)
    await suspense_sums.move(driver, added(standing))
    seals_some = seals_some or bool(claimed)
    batch = None
    if lines:
        transactions = [batch_id] if seals_some else []
        if carries:
            transactions += await sealing.carry(driver, batch_id)
        seals = await sealing.seals_of(driver, transactions) if transactions else []
        digest = digest_of(gifts_digest, now, accepted, seals)
        lines = _within_limit(summed(lines))
        batch = batch_of(batch_id, now, accepted, digest, lines, max(events))
        await batches.write(driver, batch)
    elif seals_some:
        await sealing.loosen(driver, batch_id)
    await watermarks.declare(driver, _watermarks(group), batch_id)
    await batches.advance(driver, _offsets(group))
    made = None if batch is None else batch_id
    bought = list[Outcome]()
    if passing is not None:
        # What did not pass came with an order that is there already.
        passed, outcomes = outcomes, np.full(len(passing), Outcome.REPLAYED, dtype=np.uint8)
        outcomes[passing] = passed
        bought = order_outcomes(group, order_fates, outcomes)
    results = results_of(group, made, now, outcomes, fact_fates, bought)
    if allocated is not None:
        results = [results[0]._replace(allocated=allocated)]
    return Recorded(batch, outcomes, results, waiting)


async def _linked(
    driver: Driver,
    group: Group,
    rows: GiftRows,
    linked: Mapping[Key, Key],
    fates: NDArray[np.uint8],
) -> Collection[Key]:
    """The gifts that a link may have moved: those that name a rail, and those that are named."""
    rails = rails_among(group, rows, fates)
    named = (await links.family_of_rails(driver, rails)).members if rails else frozenset()
    return named | linked.keys()


def _within_limit(lines: list[Line]) -> list[Line]:
    """What the ledger takes as one batch; of a larger one it would never get the gifts."""
    if len(lines) > LINES_MAX:
        raise Fault(
            Reason.BATCH_SIZE_INVALID,
            f"what came together sums up by hour, campaign and project to {len(lines):,} lines, "
            f"above {LINES_MAX:,}; nothing of it is recorded; send it in parts",
        )
    return lines


def batch_of(
    batch_id: UUID,
    now: datetime,
    accepted: int,
    digest: bytes,
    lines: Sequence[Line],
    latest_event: int,
) -> Batch:
    """What a group's transaction accepted. accepted, digest: of its gifts."""
    return Batch(batch_id, now, accepted, digest, moment_of(latest_event), lines, {})


def _watermarks(group: Group) -> dict[str, datetime]:
    """Until when the group's partners say that they are complete, as far as an entry can state
    it.
    """
    latest: dict[str, datetime] = {}
    for submission in group.submissions:
        if submission.watermark is not None:
            partner, complete_until = submission.watermark
            if len(partner) <= STATING_PARTNER_MAX:
                latest[partner] = max(latest.get(partner, complete_until), complete_until)
    return latest


def _offsets(group: Group) -> dict[tuple[int, str], int]:
    offsets: dict[tuple[int, str], int] = {}
    for submission in group.submissions:
        if submission.position is not None:
            partner, stream_id, offset = submission.position
            key = group.partner_ids[partner], stream_id
            offsets[key] = max(offsets.get(key, 0), offset)
    return offsets


def results_of(
    group: Group,
    batch_id: UUID | None,
    now: datetime,
    outcomes: NDArray[np.uint8],
    fact_fates: Sequence[Fate],
    orders: Sequence[Outcome],
) -> list[Committed]:
    """What became of each submission. outcomes: of all gifts, in key order."""
    as_submitted = np.empty_like(outcomes)
    if group.gifts is not None:
        as_submitted[group.gifts.order] = outcomes
    results = []
    fates, outcomes_of_orders = iter(fact_fates), iter(orders)
    for number, submission in enumerate(group.submissions):
        mine = as_submitted[group.starts[number] : group.starts[number + 1]]
        refunds, disputes, stages = (
            list(islice(fates, len(part)))
            for part in (submission.refunds, submission.disputes, submission.stages)
        )
        bought = list(islice(outcomes_of_orders, len(submission.orders)))
        results.append(Committed(batch_id, now, mine, refunds, disputes, stages, bought))
    return results
