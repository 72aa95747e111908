"""Waiting for company: what is done together costs each its share only."""

from collections.abc import Awaitable, Callable

Pause = Callable[[float], Awaitable[None]]
"""Waits so many seconds, as asyncio.sleep does."""

_WAITS_MAX = 8
_SHARE = 8


async def await_company(
    waiting: Callable[[], int], pause: Pause, *, step_s: float, enough: int
) -> None:
    """Waits step_s, and again, up to eight times, while it is worth it.

    waiting: how many wait already. It is worth it as long as each step brings at least one for
    every eight that wait, and there are not enough: while many callers are busy, their next calls
    come soon; one that is alone waits one step.
    """
    for _ in range(_WAITS_MAX):
        before = waiting()
        await pause(step_s)
        now = waiting()
        if now >= enough or (now - before) * _SHARE < max(before, 1):
            return
