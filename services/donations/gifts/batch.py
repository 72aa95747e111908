"""An intake batch: what one transaction accepted, and how the ledger is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from services.donations.domain import Line

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
