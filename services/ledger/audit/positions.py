"""The check of positions: what is booked of each gift is what its reports make it."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from services.ledger.audit.check import Check, Findings
from services.runtime.errors import Fault

NAME = "positions"


class CheckedGifts(NamedTuple):
    """A part of what the donations service derived again: how many gifts, and what differs."""

    gifts: int
    differences: Sequence[str]


Positions = Callable[[], AsyncIterator[CheckedGifts]]
"""Begins a stream of all gifts' positions. Raises Fault if the donations service is away."""


async def check_positions(positions: Positions) -> Check:
    """Adds up what the donations service found."""
    findings = Findings()
    covered = 0
    try:
        async for part in positions():
            covered += part.gifts
            for difference in part.differences:
                findings.add(difference)
    except Fault as fault:
        return findings.unfinished(NAME, covered, fault)
    told = f"all {covered:,} gifts that anything happened to are booked as their reports say"
    return findings.check(NAME, covered, told)
