"""An intake batch: what one transaction accepted, and how the ledger is told of it.

A batch's digest, which its entry states, proves all that its transaction recorded. It is SHA-256
over the digest of its gifts (store/gift_format.py), the time of its recording as PostgreSQL's
binary form has it, the number of gifts as int32, and for each seal of its own or carried with it,
in their order: the id's 16 bytes, the number as int16, the rows as int32, and the digest.
In version 1, of the release before, it is SHA-256 of the gifts alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import pack
from typing import NamedTuple
from uuid import UUID

from services.donations.domain import Line

DIGEST_VERSION = 2

STATING_PARTNER_MAX = 49
"""The longest code of a partner whose watermark an entry can state: facts have keys of 64."""

EMPTY_DIGEST = sha256().digest()
"""The digest of no gifts."""

_SINCE = datetime(2000, 1, 1, tzinfo=UTC)


class Seal(NamedTuple):
    """What a transaction recorded of one set (store/sealing.py): how many rows, and their digest.

    id: the transaction's.
    """

    id: UUID
    number: int
    rows: int
    digest: bytes


def digest_of(
    gifts_digest: bytes, recorded_time: datetime, gifts: int, seals: Iterable[Seal]
) -> bytes:
    """A batch's digest, version 2. seals: in their order."""
    micros = (recorded_time - _SINCE) // timedelta(microseconds=1)
    parts = [gifts_digest, pack(">qi", micros, gifts)]
    for seal in seals:
        parts += (seal.id.bytes, pack(">hi", seal.number, seal.rows), seal.digest)
    return sha256(b"".join(parts)).digest()


def zone_of(line: Line, zones: Mapping[str, str]) -> str:
    """The time zone in whose days a line counts; empty for the ledger's own, in which all that is
    in suspense counts. zones: of campaigns, by code.
    """
    return zones.get(line.campaign, "") if line.project else ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction accepted.

    value_time: the latest event in it. watermarks: by partner, the moment before which all its
    gifts are in the books. A batch that states these has no lines, and its value_time is when it
    was recorded; one of the release before may have both.
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
    """A batch as its rows say it, and as it is kept.

    posted_sequence: the entry under which the ledger acknowledged it; 0 if it has not.
    zones: of campaigns, by code (zone_of). differences: what is kept of the batch as a whole and
    does not follow from its rows, in words.
    """

    id: UUID
    posted_sequence: int = 0
    gifts: int = 0
    digest: bytes = EMPTY_DIGEST
    lines: list[Line] = field(default_factory=list)
    zones: Mapping[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def posted(self) -> bool:
        """Whether the ledger has acknowledged it."""
        return bool(self.posted_sequence)
