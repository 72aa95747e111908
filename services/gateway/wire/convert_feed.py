"""Changes of the totals, from the wire."""

from watersmeet.ledger.v1 import feed_service_pb2 as pb

from services.gateway.domain import Cell, Changes, FeedBroken, Posting
from services.gateway.wire.convert import amount_of, ledger_time, watermarks_of

NUMBERED_CELLS = 32_768
"""How many cells are kept by number, on a stream: a cell that is changed again and again is named
once."""


class Listening:
    """Reads the changes of one stream, in their order."""

    def __init__(self, numbered_cells: int = NUMBERED_CELLS) -> None:
        """numbered_cells: what the stream was asked for with."""
        self._most = numbered_cells
        self._named: list[Cell] = []  # by number
        self._begun = Changes()  # of a change that goes on

    def posting_of(self, change: pb.TotalsChange) -> Posting | None:
        """What a change comes to; None if it goes on in the next. Raises FeedBroken."""
        self._add(change)
        if change.is_continued:
            return None
        changes, self._begun = self._begun, Changes()
        return Posting(
            change.after_sequence,
            change.as_of_sequence,
            ledger_time(change.as_of_time),
            changes,
            watermarks_of(change.watermarks) if change.watermarks else {},
            change.after_hash,
            change.as_of_hash,
        )

    def _add(self, change: pb.TotalsChange) -> None:
        named = self._named
        try:
            cells = map(named.__getitem__, change.numbers)
            self._begun.add(cells, change.micros, change.counts)
        except (IndexError, ValueError) as error:
            raise FeedBroken(f"a change names cells by number as it should not: {error}") from error
        if not change.cells:
            return
        amounts = list(map(amount_of, change.cells))
        self._begun.add(*zip(*amounts, strict=True))
        for cell, _, _ in amounts:
            if len(named) == self._most:
                named.clear()
            named.append(cell)
