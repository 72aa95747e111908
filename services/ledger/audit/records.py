"""The check of records: what the donations service recorded besides gifts is as it was sealed."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from services.ledger.audit.check import Check, Findings
from services.runtime.errors import Fault

NAME = "records"


class CheckedRecords(NamedTuple):
    """A part of what the donations service proved again: rows, how many have no seal, and what
    differs.
    """

    rows: int
    unsealed: int
    differences: Sequence[str]


Records = Callable[[], AsyncIterator[CheckedRecords]]
"""Begins a stream of all tables' records. Raises Fault if the donations service is away."""


async def check_records(records: Records) -> Check:
    """Adds up what the donations service found."""
    findings = Findings()
    covered = unsealed = 0
    try:
        async for part in records():
            covered += part.rows
            unsealed += part.unsealed
            for difference in part.differences:
                findings.add(difference)
    except Fault as fault:
        return findings.unfinished(NAME, covered, fault)
    told = f"all {covered:,} records of the donations service are as they were sealed"
    if unsealed:
        told += f", but for {unsealed:,} from before there were seals"
    return findings.check(NAME, covered, told)
