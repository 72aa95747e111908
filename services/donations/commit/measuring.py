"""Counts what became of a group's reports."""

from collections import Counter as Counts

import numpy as np
from prometheus_client import Counter

from services.donations import metrics
from services.donations.commit.group import Group
from services.donations.commit.recording import Recorded
from services.donations.domain import Outcome

_OUTCOMES = len(Outcome) + 1

_gifts: dict[tuple[str, Outcome], Counter] = {}  # bounded by partners and outcomes


def count_gifts(partner: str, outcome: Outcome, number: int) -> None:
    """Counts gifts of one partner with one outcome."""
    child = _gifts.get((partner, outcome))
    if child is None:
        child = metrics.GIFTS.labels(partner, outcome.name.lower())
        _gifts[partner, outcome] = child
    child.inc(number)


def count_recorded(group: Group, recorded: Recorded) -> None:
    """Counts everything in a group, now that it is durable."""
    if group.gifts is not None:
        codes = np.bincount(group.gifts.target_indexes * _OUTCOMES + recorded.outcomes)
        numbers = Counts[tuple[str, Outcome]]()
        for code, number in enumerate(codes.tolist()):
            if number:
                target, outcome = divmod(code, _OUTCOMES)
                numbers[group.gifts.targets[target].partner, Outcome(outcome)] += number
        for (partner, outcome), number in numbers.items():
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
