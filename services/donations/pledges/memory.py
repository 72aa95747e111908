"""Pledges in memory: a batch of orders costs the database one look at most, and mostly none.

There may be millions of pledges, so those that orders name are kept, up to so many versions in all,
and the ones that were longest not named are forgotten. What is known of a pledge is read again
after a minute; that is soon enough, because whatever changes what orders come to is known a quarter
of an hour before (rules.LEAD). What is not known is looked up each time: a first version holds at
once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from services.donations.pledges.pledge import Pledge

FRESH_S = 60.0
VERSIONS_MAX = 50_000
"""Some 40 MB of them."""


class PledgeReader(Protocol):
    """The part of the store that the book reads."""

    async def versions(
        self, partner: str, partner_id: int, codes: Sequence[str]
    ) -> Mapping[str, Sequence[Pledge]]:
        """All versions of each of these codes that is known, by start."""


class _Known(NamedTuple):
    read_at: float
    versions: Sequence[Pledge]


class PledgeBook:
    """The pledges that orders name."""

    def __init__(
        self,
        reader: PledgeReader,
        clock: Callable[[], float] | None = None,
        *,
        versions_max: int = VERSIONS_MAX,
    ) -> None:
        """clock: seconds, monotonic; the running loop's if None."""
        self._reader = reader
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._versions_max = versions_max
        self._known: OrderedDict[tuple[int, str], _Known] = OrderedDict()
        self._kept = 0  # versions

    async def versions(
        self, partner: str, partner_id: int, codes: Iterable[str]
    ) -> dict[str, Sequence[Pledge]]:
        """All versions of each code, by start; codes that nobody knows are left out.

        Raises the database's errors.
        """
        now = self._clock()
        found: dict[str, Sequence[Pledge]] = {}
        missing: list[str] = []
        for code in set(codes):
            known = self._known.get((partner_id, code))
            if known is None or now - known.read_at > FRESH_S:
                missing.append(code)
            else:
                self._known.move_to_end((partner_id, code))
                found[code] = known.versions
        if missing:
            read = await self._reader.versions(partner, partner_id, sorted(missing))
            found.update(read)
            self.forget(partner_id, read)
            for code, versions in read.items():
                self._known[partner_id, code] = _Known(now, versions)
                self._kept += len(versions)
            while self._kept > self._versions_max:
                _, forgotten = self._known.popitem(last=False)
                self._kept -= len(forgotten.versions)
        return found

    def forget(self, partner_id: int, codes: Iterable[str]) -> None:
        """Reads these codes again when they are named next: what this process changed itself."""
        for code in codes:
            forgotten = self._known.pop((partner_id, code), None)
            if forgotten is not None:
                self._kept -= len(forgotten.versions)
