"""Changes of the totals, to the wire."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from watersmeet.ledger.v1 import feed_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb

from services.ledger.domain import TotalsChange
from services.ledger.reading.feed import Checkpoint
from services.ledger.wire.convert import put_cells, stamp_of

CELLS_A_MESSAGE = 5_000


def change_responses(changes: Iterable[TotalsChange]) -> Iterator[pb.StreamTotalsResponse]:
    """As few messages as hold them, which are only read."""
    parts: list[pb.StreamTotalsResponse] = []
    cells = 0
    for part in (part for change in changes for part in _parts(change)):
        cells += len(part.changes[0].cells)
        if parts and cells > CELLS_A_MESSAGE:
            yield _joined(parts)
            parts, cells = [], len(part.changes[0].cells)
        parts.append(part)
    yield _joined(parts)


def checkpoint_message(checkpoint: Checkpoint) -> ledger_pb.Checkpoint:
    """All up to here was sent."""
    return ledger_pb.Checkpoint(
        sequence=checkpoint.sequence, time=stamp_of(checkpoint.time), hash=checkpoint.hash
    )


def _joined(parts: Sequence[pb.StreamTotalsResponse]) -> pb.StreamTotalsResponse:
    if len(parts) == 1:
        return parts[0]
    joined = pb.StreamTotalsResponse()
    for part in parts:
        joined.MergeFrom(part)
    return joined


@lru_cache(maxsize=32)
def _parts(change: TotalsChange) -> tuple[pb.StreamTotalsResponse, ...]:
    """One change, in messages that are never changed. Readers who keep up share them."""
    rows = change.rows
    pages = [rows[at : at + CELLS_A_MESSAGE] for at in range(0, len(rows) or 1, CELLS_A_MESSAGE)]
    watermarks = {partner: stamp_of(until) for partner, until in change.watermarks.items()}
    parts = []
    for number, page in enumerate(pages, start=1):
        part = pb.StreamTotalsResponse()
        told = part.changes.add(
            after_sequence=change.after,
            as_of_sequence=change.sequence,
            after_hash=change.previous_hash,
            as_of_hash=change.hash,
            as_of_time=stamp_of(change.time),
            watermarks=watermarks,
            is_continued=number < len(pages),
        )
        put_cells(told.cells.add, page)
        parts.append(part)
    return tuple(parts)
