"""A step of an allocation: what of its gifts goes elsewhere, and what is kept of the step."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.donations.allocation.allocation import (
    AllocationOutcome,
    AllocationStep,
    Progress,
    StepTaken,
)
from services.donations.allocation.judging import Target, verdict_of
from services.donations.commit.booking import Booked, Found, book
from services.donations.commit.group import Group
from services.donations.domain import Attribution, Key
from services.donations.life.reports import Sum
from services.donations.store import allocations, facts, known, links
from services.donations.store.allocations import Decision
from services.donations.store.driver import Driver
from services.donations.store.known import KnownGift


class _Weighed(NamedTuple):
    """What becomes of a gift. left: of an allocated one, after refunds."""

    outcome: AllocationOutcome
    attribution: Attribution | None = None
    left: Sum = Sum(0, "")


async def record_allocation(
    driver: Driver, group: Group, batch_id: UUID, now: datetime
) -> tuple[Progress, Booked]:
    """Allocates what can be, books it, and keeps what became of the step.

    Raises LinkCame and StepTaken; the transaction must then be rolled back. In the first case it
    is to be begun anew.
    """
    step, target = group.allocation, group.target
    assert step is not None, "there is a step"
    assert target is not None, "it was gathered"
    seen = await known.find_gifts(driver, filter(None, step.keys))
    weighed: dict[Key, _Weighed] = {}

    async def allot(found: Found) -> Collection[Key]:
        weighed.update((key, _weigh(key, found, target, again=step.again)) for key in candidates)
        chosen = [
            Decision(key, found.gifts[key].decisions, one.attribution, found.first_move(key))
            for key, one in weighed.items()
            if one.attribution is not None
        ]
        await allocations.allocate(driver, step.request_id, chosen, batch_id, now)
        return [decision.key for decision in chosen]

    # Only these are locked. What is not recorded is not kept out by a lock, what was attributed
    # stays so, and of the others it counts where they were when this looked.
    candidates = [key for key, gift in seen.items() if _outside(gift, again=step.again) is None]
    booked = await book(driver, candidates, batch_id, allot) if candidates else Booked()
    progress = _progress(step, seen, weighed)
    if not await allocations.add_step(driver, step, progress, batch_id, now):
        raise StepTaken
    return progress, booked


async def preview(driver: Driver, step: AllocationStep, target: Target) -> Progress:
    """What would become of a step's gifts, as the driver's transaction sees them."""
    keys = set(filter(None, step.keys))
    family = await links.family_of(driver, keys)
    members = family.related(keys)
    gifts = await known.find_gifts(driver, members)
    found = Found(known.knowing(family, gifts), gifts, await facts.read(driver, members))
    weighed = {key: _weigh(key, found, target, again=step.again) for key in keys & gifts.keys()}
    return _progress(step, gifts, weighed)


def _outside(gift: KnownGift | None, *, again: bool) -> AllocationOutcome | None:
    """Why a report has nothing to do with suspense or, again, with allocations, if it has not."""
    if gift is None:
        return AllocationOutcome.NOT_FOUND
    if gift.allocated is not None:
        return None if again else AllocationOutcome.ALLOCATED_BEFORE
    if gift.suspended:
        return AllocationOutcome.NOT_ALLOCATED if again else None
    return AllocationOutcome.NOT_SUSPENDED


def _weigh(key: Key, found: Found, target: Target, *, again: bool) -> _Weighed:
    """A recorded gift."""
    known_gift = found.gifts[key]
    outside = _outside(known_gift, again=again)
    if outside is not None:
        return _Weighed(outside)
    position, joined = found.position(key)
    if joined:
        return _Weighed(AllocationOutcome.COUNTED_ELSEWHERE)
    gift = known_gift.gift
    left = gift.amount_micros - position.refunded_micros
    if not left:
        return _Weighed(AllocationOutcome.REFUNDED)
    if again and found.is_paid_out(key):
        return _Weighed(AllocationOutcome.PAID_OUT)
    verdict = verdict_of(gift, target)
    if verdict.attribution is not None and verdict.attribution == known_gift.allocated:
        return _Weighed(AllocationOutcome.ALLOCATED_BEFORE)
    return _Weighed(verdict.outcome, verdict.attribution, Sum(left, gift.currency))


def _progress(
    step: AllocationStep, seen: Mapping[Key, KnownGift], weighed: Mapping[Key, _Weighed]
) -> Progress:
    """What became of the step alone."""

    def outcome_of(key: Key | None) -> AllocationOutcome:
        if key is None:
            return AllocationOutcome.NOT_FOUND
        if key in weighed:
            return weighed[key].outcome
        outside = _outside(seen.get(key), again=step.again)
        assert outside is not None, "all else was weighed"
        return outside

    outcomes = [outcome_of(key) for key in step.keys]
    return Progress(
        1,
        Counter(outcomes),
        _sums(weighed.values()),
        outcomes if step.is_named else (),
        step.end,
        step.is_last,
    )


def _sums(weighed: Iterable[_Weighed]) -> Mapping[str, int]:
    sums: Counter[str] = Counter()
    for one in weighed:
        if one.attribution is not None:
            sums[one.left.currency] += one.left.micros
    return sums
