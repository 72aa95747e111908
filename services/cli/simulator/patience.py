"""How long a partner goes on trying."""

import asyncio
import time


class UnansweredError(Exception):
    """A report got no final answer for so long that its sender gave up."""


class Patience:
    """Waits between the attempts at one report, longer each time, up to a second.

    Real platforms go on for a day with waits of minutes; here the whole takes a minute.
    """

    def __init__(self, limit_s: float = 60.0) -> None:
        self._limit_s = limit_s
        self._deadline = time.monotonic() + limit_s
        self._wait_s = 0.05

    async def wait(self, why: str) -> None:
        """Waits before the next attempt. Raises UnansweredError when there shall be none."""
        if time.monotonic() + self._wait_s > self._deadline:
            raise UnansweredError(f"no answer within {self._limit_s:.0f} s, the last was: {why}")
        await asyncio.sleep(self._wait_s)
        self._wait_s = min(2 * self._wait_s, 1.0)
