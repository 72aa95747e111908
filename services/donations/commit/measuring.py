"""Counts what became of a group's reports."""

from collections import Counter as Counts
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from services.donations import metrics
from services.donations.commit.group import Group
from services.donations.commit.recording import Recorded
from services.donations.domain import Outcome
from services.donations.gifts.rows import GiftRows

_OUTCOMES = len(Outcome) + 1

_gifts: dict[tuple[str, Outcome], Counter] = {}  # bounded by partners and outcomes


def count_gifts(partner: str, outcome: Outcome, number: int) -> None:
    """Counts gifts of one partner with one outcome."""
    child = _gifts.get((partner, outcome))
    if child is None:
        child = metrics.GIFTS.labels(partner, outcome.name.lower())
        _gifts[partner, outcome] = child
    child.inc(number)


def _numbers(gifts: GiftRows, outcomes: NDArray[np.uint8]) -> Mapping[tuple[str, Outcome], int]:
    """How many gifts of each partner came to each outcome."""
    numbers = Counts[tuple[str, Outcome]]()
    partners = {target.partner for target in gifts.targets}
    if len(partners) == 1:  # as of nearly all small groups
        [partner] = partners
        for outcome, number in enumerate(np.bincount(outcomes).tolist()):
            if number:
                numbers[partner, Outcome(outcome)] = number
        return numbers
    codes = np.bincount(gifts.target_indexes * _OUTCOMES + outcomes)
    for code in np.flatnonzero(codes).tolist():
        target, outcome = divmod(code, _OUTCOMES)
        numbers[gifts.targets[target].partner, Outcome(outcome)] += int(codes[code])
    return numbers


def count_recorded(group: Group, recorded: Recorded) -> None:
    """Counts everything in a group, now that it is durable."""
    if group.gifts is not None:
        for (partner, outcome), number in _numbers(group.gifts, recorded.outcomes).items():
            count_gifts(partner, outcome, number)
            if outcome is Outcome.CONFLICTING:
                metrics.CONFLICTS.inc(number)
    for result in recorded.results:
        for fate in result.refunds:
            metrics.REFUNDS.labels(fate.outcome.name.lower()).inc()
        conflicting = sum(fate.outcome is Outcome.CONFLICTING for fate in result.facts)
        metrics.CONFLICTS.inc(conflicting)
        if result.allocated is not None:
            for became, number in result.allocated.counts.items():
                metrics.ALLOCATIONS.labels(became.name.lower()).inc(number)
        for outcome, number in Counts(result.orders).items():
            metrics.ORDERS.labels(outcome.name.lower()).inc(number)
            if outcome is Outcome.CONFLICTING:
                metrics.CONFLICTS.inc(number)
