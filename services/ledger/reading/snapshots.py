"""Snapshots of the books for callers: a few at once, and none for longer than it takes to read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from services.ledger.store.snapshot import Snapshot, SnapshotStore
from services.runtime.errors import Fault, Reason

Page = TypeVar("Page")

_WAIT_S = 10.0
_PAGES_AHEAD = 4


class Snapshots:
    """Hands them out. Each keeps a connection for as long as it is read."""

    def __init__(self, store: SnapshotStore, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._free = asyncio.Semaphore(limit)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Snapshot]:
        """The books as they stand now. Raises Fault(QUEUE_FULL) if none is free in ten seconds."""
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._free.acquire()
        except TimeoutError as error:
            raise Fault(
                Reason.QUEUE_FULL,
                f"{self._limit} audits and readings of all totals or balances are under way; "
                "wait for one",
                retry_after=5.0,
            ) from error
        try:
            async with self._store.take() as snapshot:
                yield snapshot
        finally:
            self._free.release()

    async def pages(
        self, read: Callable[[Snapshot], AsyncIterator[Page]], *, timeout_s: float
    ) -> AsyncGenerator[Page, None]:
        """What is read of one snapshot, page by page.

        Pages are read ahead by a few, and for a limited time, so that a slow caller does not keep
        a connection: Fault(DEADLINE_EXCEEDED) then. Raises Fault(QUEUE_FULL), and what read raises.
        """
        pages: asyncio.Queue[Page | _End] = asyncio.Queue(_PAGES_AHEAD)
        reading = asyncio.create_task(self._read(read, timeout_s, pages))
        try:
            while not isinstance(page := await pages.get(), _End):
                yield page
            if page.error is not None:
                raise page.error
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def _read(
        self,
        read: Callable[[Snapshot], AsyncIterator[Page]],
        timeout_s: float,
        pages: "asyncio.Queue[Page | _End]",
    ) -> None:
        end = _End()
        try:
            async with asyncio.timeout(timeout_s), self.take() as books:
                async for page in read(books):
                    await pages.put(page)
        except TimeoutError:
            end.error = Fault(
                Reason.DEADLINE_EXCEEDED,
                f"this was not read to its end within {timeout_s:g} s; read it faster",
            )
        except Exception as error:  # noqa: BLE001  raised again where the caller sees it
            end.error = error
        await pages.put(end)  # by now the connection is free


class _End:
    """Comes behind the last page. error: what the reading ended with, if not with all of it."""

    error: Exception | None = None
