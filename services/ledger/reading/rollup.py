"""Rolls entries up: sums by account and value date over each long stretch of them, kept for good.

They make questions about the past quick however long the books are, and cost the posting path
nothing: the process that writes makes them beside it, from what stands in the books already. The
audit derives them again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from services.runtime.database import fault_of

_log = structlog.get_logger()


class RollupStore(Protocol):
    """The part of the store that rolls up."""

    async def rolled_up(self) -> int:
        """The last entry that is."""

    async def roll_up(self, through: int) -> bool:
        """Rolls up what comes behind it, up to an entry."""


class Rollups:
    """Runs in the background."""

    def __init__(
        self,
        store: RollupStore,
        head: Callable[[], Awaitable[int]],
        is_writing: Callable[[], bool],
        *,
        entries: int,
        poll_s: float,
    ) -> None:
        """head: the last entry's sequence. entries: in one rollup. poll_s: between two looks."""
        self._store = store
        self._head = head
        self._is_writing = is_writing
        self._entries = entries
        self._poll_s = poll_s

    async def run(self) -> None:
        """Rolls up for ever. A database that is away is waited for."""
        while True:
            try:
                if self._is_writing():
                    await self.roll_up_due()
            except Exception as error:
                fault = fault_of(error)
                if fault is None:
                    raise
                _log.warning("entries could not be rolled up", reason=fault.reason.value)
            await asyncio.sleep(self._poll_s)

    async def roll_up_due(self) -> int:
        """Rolls up all whole stretches that there are; returns how many. Raises the database's
        errors.
        """
        head = await self._head()
        rolled = await self._store.rolled_up()
        done = 0
        while rolled + self._entries <= head:
            rolled += self._entries
            await self._store.roll_up(rolled)
            done += 1
        return done
