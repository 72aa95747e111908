"""Hashes of the newest entries, as this process has sealed and committed them: the log need not
read them.
"""

from collections.abc import Sequence

from services.ledger.domain import NO_HASH, Head

_MOST = 65_536
"""Hashes, 6 MB. A log that is further behind reads."""


class Fresh:
    """A stretch of entries' hashes without a gap, up to the newest."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._after = 0
        self._hashes = [NO_HASH]  # of the entry `after`, and of those behind it

    def add(self, before: Head, hashes: Sequence[bytes]) -> None:
        """Entries that are committed, behind another.

        What came before is forgotten if they do not follow on it, or if it is too much.
        """
        end = self._after + len(self._hashes) - 1
        follows = (end, self._hashes[-1]) == (before.sequence, before.hash)
        if not follows or len(self._hashes) + len(hashes) > self._most:
            self._after, self._hashes = before.sequence, [before.hash]
        self._hashes += hashes

    def take(self, after: int, after_hash: bytes, most: int) -> Sequence[bytes]:
        """The hashes of so many entries at most behind one with this hash; none if they are not
        here. They, and those before, are forgotten.
        """
        place = after - self._after
        if not 0 <= place < len(self._hashes) or self._hashes[place] != after_hash:
            return ()
        taken = self._hashes[place + 1 : place + 1 + most]
        forgotten = place + len(taken)
        self._after += forgotten
        del self._hashes[:forgotten]
        return taken
