"""Changes of the totals, to the wire."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from watersmeet.ledger.v1 import feed_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb

from services.ledger.convert import cell_messages, stamp_of
from services.ledger.domain import TotalsChange
from services.ledger.reading.feed import Checkpoint

CELLS_A_MESSAGE = 5_000


def change_responses(changes: Iterable[TotalsChange]) -> Iterator[pb.StreamTotalsResponse]:
    """As few messages as hold them."""
    response = pb.StreamTotalsResponse()
    cells = 0
    for part in (part for change in changes for part in _parts(change)):
        cells += len(part.cells)
        if response.changes and cells > CELLS_A_MESSAGE:
            yield response
            response = pb.StreamTotalsResponse()
            cells = len(part.cells)
        response.changes.append(part)
    yield response


def checkpoint_message(checkpoint: Checkpoint) -> ledger_pb.Checkpoint:
    """All up to here was sent."""
    return ledger_pb.Checkpoint(
        sequence=checkpoint.sequence, time=stamp_of(checkpoint.time), hash=checkpoint.hash
    )


@lru_cache(maxsize=32)
def _parts(change: TotalsChange) -> tuple[pb.TotalsChange, ...]:
    """One change, in messages that are only copied from. Readers who keep up share them."""
    rows = change.rows
    pages = [rows[at : at + CELLS_A_MESSAGE] for at in range(0, len(rows) or 1, CELLS_A_MESSAGE)]
    as_of_time = stamp_of(change.time)
    watermarks = {partner: stamp_of(until) for partner, until in change.watermarks.items()}
    return tuple(
        pb.TotalsChange(
            after_sequence=change.after,
            as_of_sequence=change.sequence,
            after_hash=change.previous_hash,
            as_of_hash=change.hash,
            as_of_time=as_of_time,
            cells=cell_messages(page),
            watermarks=watermarks,
            is_continued=number < len(pages),
        )
        for number, page in enumerate(pages, start=1)
    )
