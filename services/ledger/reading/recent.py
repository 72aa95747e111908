"""The newest entries that this process has written, for readers who keep up: they need not be read
back from the database.
"""

from collections.abc import Sequence

from services.ledger.domain import Entry

_TRANSFERS_MAX = 50_000
"""About 20 MB. A reader that is further behind reads from the database."""


class Recent:
    """A stretch of entries without a gap, the oldest of which are forgotten."""

    def __init__(self, transfers_max: int = _TRANSFERS_MAX) -> None:
        self._transfers_max = transfers_max
        self._entries: list[Entry] = []
        self._transfers = 0

    def add(self, entries: Sequence[Entry]) -> None:
        """Entries that are committed, in their order.

        If there is a gap before them (another process wrote meanwhile, or a commit's outcome was
        not known at first), what came before it is forgotten.
        """
        if not entries:
            return
        if self._entries and entries[0].sequence != self._entries[-1].sequence + 1:
            self._entries.clear()
            self._transfers = 0
        self._entries += entries
        self._transfers += sum(len(entry.draft.transfers) for entry in entries)
        if self._transfers > self._transfers_max:
            self._forget()

    def after(self, sequence: int, limit: int) -> Sequence[Entry]:
        """The next entries behind a sequence, at most limit; none if they are not here."""
        if not self._entries:
            return ()
        place = sequence + 1 - self._entries[0].sequence
        return self._entries[place : place + limit] if place >= 0 else ()

    def _forget(self) -> None:
        """Down to half, so that it does not happen with every addition."""
        forgotten = 0
        while self._transfers > self._transfers_max // 2:
            self._transfers -= len(self._entries[forgotten].draft.transfers)
            forgotten += 1
        del self._entries[:forgotten]
