"""An event loop in a thread of its own, for work that waits more than it computes.

While one loop computes, it lets nobody else have a turn; Python lets another thread have one within
`_TURN_S`. So a conversation with the database does not stand still while thousands of entries are
read for the next one.
"""

import asyncio
import sys
import threading
from collections.abc import Coroutine
from typing import Any, Protocol, Self, TypeVar

Value = TypeVar("Value")

_TURN_S = 0.0005


class Runner(Protocol):
    """Where work is done, while the caller waits."""

    async def __call__(self, work: Coroutine[Any, Any, Value]) -> Value:
        """What the work returns. Raises what it raises."""


async def here(work: Coroutine[Any, Any, Value]) -> Value:
    """Does the work in the caller's own loop."""
    return await work


class Beside:
    """Does work in a loop beside the caller's, for as long as the block runs.

    What belongs to a loop, an engine's connections say, must be used there and nowhere else.
    """

    def __init__(self, name: str) -> None:
        """name: the thread's."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    async def __aenter__(self) -> Self:
        sys.setswitchinterval(_TURN_S)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    async def __call__(self, work: Coroutine[Any, Any, Value]) -> Value:
        """See Runner. If the caller is cancelled, so is the work."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
