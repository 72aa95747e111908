"""So many calls at once; the others wait here, where their waiting costs the server nothing."""

import asyncio


class Window:
    """Lets so many calls through at a time, and of those that wait the newest first.

    When calls come faster than the server takes them, somebody's time runs out. In the order of
    arrival it would be everybody's: each call would be sent with too little time left to be
    answered. Newest first, those that are sent are answered, and the oldest run out unsent.
    """

    def __init__(self, size: int) -> None:
        """size: calls at once, at least 1."""
        self._free = size
        self._waiting: dict[asyncio.Future[None], None] = {}

    async def enter(self, timeout_s: float) -> None:
        """Waits for a place, which `leave` gives back. Raises TimeoutError if none comes free."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            async with asyncio.timeout(timeout_s):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave()  # the place came as we left
            raise
        finally:
            self._waiting.pop(turn, None)

    def leave(self) -> None:
        """Gives a place back, to the newest that waits."""
        while self._waiting:
            turn, _ = self._waiting.popitem()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
