"""Time that passes only when somebody waits, or a test says so."""

import asyncio


class Moments:
    """A monotonic clock, and the pause that goes with it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.waited: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        """See Quotas."""
        self.waited.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)  # others may go on now, as in a real wait
