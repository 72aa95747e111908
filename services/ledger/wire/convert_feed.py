"""Changes of the totals, to the wire."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from watersmeet.ledger.v1 import feed_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb

from services.ledger.domain import Cell, Change, Changes, TotalsChange
from services.ledger.reading.feed import Checkpoint
from services.ledger.wire.convert import put_cells, stamp_of
from services.runtime.errors import Fault, Reason

CELLS_A_MESSAGE = 5_000
NUMBERED_CELLS_MAX = 65_536
"""About 20 MB for a reader who has as many."""


def numbered_cells_of(request: pb.StreamTotalsRequest) -> int:
    """How many cells a reader keeps by number. Raises Fault(FIELD_INVALID)."""
    if request.numbered_cells > NUMBERED_CELLS_MAX:
        raise Fault(
            Reason.FIELD_INVALID,
            f"numbered_cells must be {NUMBERED_CELLS_MAX} or less",
            field="numbered_cells",
        )
    return request.numbered_cells


_NO_NUMBER = -1


class Telling:
    """What one reader is told of changes: a cell by its name the first time, then by its number."""

    def __init__(self, numbered_cells: int) -> None:
        """numbered_cells: how many the reader keeps; 0 if all are to be named each time."""
        self._most = numbered_cells
        self._numbers: dict[Cell, int] = {}

    def responses(self, changes: Iterable[TotalsChange]) -> Iterator[pb.StreamTotalsResponse]:
        """As few messages as hold them. To be sent in order, and each one."""
        response = pb.StreamTotalsResponse()
        cells = 0
        for change in changes:
            left = len(change.sums)
            for page in _pages(change.sums):
                cells += len(page)
                if response.changes and cells > CELLS_A_MESSAGE:
                    yield response
                    response, cells = pb.StreamTotalsResponse(), len(page)
                left -= len(page)
                self._put(_add(response, change, is_continued=left > 0), page)
        yield response

    def _put(self, told: pb.TotalsChange, sums: Changes) -> None:
        numbers = [self._numbers.get(cell, _NO_NUMBER) for cell in sums]
        changes: Collection[Change] = sums.values()
        if _NO_NUMBER in numbers:  # as seldom as a cell is new
            rows = list(zip(sums.items(), numbers, strict=True))
            named = [row for row, number in rows if number == _NO_NUMBER]
            changes = [change for (_, change), number in rows if number != _NO_NUMBER]
            numbers = [number for number in numbers if number != _NO_NUMBER]
            put_cells(told.cells.add, named)
            if self._most:
                self._number(cell for cell, _ in named)
        told.numbers.extend(numbers)
        told.micros.extend([micros for micros, _ in changes])
        told.counts.extend([count for _, count in changes])

    def _number(self, cells: Iterable[Cell]) -> None:
        numbers = self._numbers
        for cell in cells:
            if len(numbers) == self._most:
                numbers.clear()
            numbers[cell] = len(numbers)


def checkpoint_message(checkpoint: Checkpoint) -> ledger_pb.Checkpoint:
    """All up to here was sent."""
    return ledger_pb.Checkpoint(
        sequence=checkpoint.sequence, time=stamp_of(checkpoint.time), hash=checkpoint.hash
    )


def _add(
    response: pb.StreamTotalsResponse, change: TotalsChange, *, is_continued: bool
) -> pb.TotalsChange:
    """A change without what it adds."""
    return response.changes.add(
        after_sequence=change.after,
        as_of_sequence=change.sequence,
        after_hash=change.previous_hash,
        as_of_hash=change.hash,
        as_of_time=stamp_of(change.time),
        watermarks={partner: stamp_of(until) for partner, until in change.watermarks.items()},
        is_continued=is_continued,
    )


def _pages(sums: Changes) -> Iterator[Changes]:
    """At least one, each of which a message can hold."""
    if len(sums) <= CELLS_A_MESSAGE:
        yield sums
        return
    rows = iter(sums.items())
    while page := dict(islice(rows, CELLS_A_MESSAGE)):
        yield page
