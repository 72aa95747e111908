"""An intake batch: what one transaction accepted, and how the ledger is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from services.donations.domain import Line, LineKind, Purpose

EMPTY_DIGEST = sha256().digest()
"""The digest of a batch without gifts: one of refunds alone."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction accepted.

    value_time: the latest event in it. watermarks: by partner, the moment before which all its
    gifts have been sent, with this batch or before.
    """

    id: UUID
    recorded_time: datetime
    gifts: int
    digest: bytes
    value_time: datetime
    lines: Sequence[Line]
    watermarks: Mapping[str, datetime]


@dataclass(slots=True)
class BatchSummary:
    """A batch as its rows say it. posted: whether the ledger has acknowledged it."""

    id: UUID
    posted: bool = False
    gifts: int = 0
    digest: bytes = EMPTY_DIGEST
    lines: list[Line] = field(default_factory=list)


class Movement(NamedTuple):
    """The accounts that a line moves money between."""

    debit: str
    credit: str


def movement_of(line: Line) -> Movement:
    """Where a line's money comes from and goes to, in the ledger's chart of accounts."""
    claimed = f"partner/{line.partner}/claimed"
    suspense = f"partner/{line.partner}/suspense"
    fund = f"{'appeal' if line.purpose is Purpose.APPEAL else 'project'}/{line.project}/fund"
    match line.kind:
        case LineKind.GIFT:
            return Movement(claimed, fund)
        case LineKind.SUSPENDED_GIFT:
            return Movement(claimed, suspense)
        case LineKind.REFUND:
            return Movement(fund, claimed)
        case LineKind.SUSPENDED_REFUND:
            return Movement(suspense, claimed)
