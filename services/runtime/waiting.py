"""Waiting for an event, though not for ever."""

import asyncio


async def wait_at_most(event: asyncio.Event, seconds: float) -> bool:
    """Waits until an event is set, or for so long; returns whether it was."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
