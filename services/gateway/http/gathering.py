"""What arrives within the same moment is sent on together.

Items wait until a call is free, and then for a moment more; one call carries them, and each gets
its own answer. The queue is as long as its users let it grow: each waits for its answer.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.runtime.company import Pause, await_company
from services.runtime.deadlines import Deadlines
from services.runtime.errors import Fault, Reason

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class GatherLimits:
    """calls: under way at once. few, items, size: of one call; an item that is larger goes alone.
    One carries its share of all items under way, as there are so many calls, but no less than few
    if they are there: then one is recorded while another is read and a third arrives.
    gather_s: how long it waits for company (runtime.company). timeout_s: how long an item may take
    from its arrival to its answer.
    """

    calls: int
    few: int
    items: int
    size: int
    gather_s: float
    timeout_s: float


class _Waiting(Generic[Item, Answer]):
    __slots__ = ("answered", "is_over", "item", "size")

    def __init__(
        self, item: Item, size: int, answered: Callable[[Answer | BaseException], None]
    ) -> None:
        self.item = item
        self.size = size
        self.answered = answered
        self.is_over = False


class Gatherer(Generic[Item, Answer]):
    """Gathers items into calls."""

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Fault]]],
        limits: GatherLimits,
        *,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """call: carries items, and returns an answer or a Fault for each. pause: asyncio.sleep."""
        self._call = call
        self._limits = limits
        self._pause = pause
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._is_gathering = False
        self._deadlines: Deadlines[_Waiting[Item, Answer]] = Deadlines(limits.timeout_s, self._end)
        self._calls: set[asyncio.Task[None]] = set()

    async def pass_on(self, item: Item, size: int) -> Answer:
        """Sends one item on; returns its answer. Raises its Fault, or Fault(DEADLINE_EXCEEDED)."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answered(what: Answer | BaseException) -> None:
            if isinstance(what, BaseException):
                answer.set_exception(what)
            else:
                answer.set_result(what)

        waiting = self._put(item, size, answered)
        try:
            return await answer
        finally:
            self._finish(waiting)  # who waits no longer is told nothing

    def put(
        self, item: Item, size: int, answered: Callable[[Answer | BaseException], None]
    ) -> None:
        """Sends one item on, and calls answered once: with its answer, or what `pass_on` raises."""
        self._put(item, size, answered)

    def _put(
        self, item: Item, size: int, answered: Callable[[Answer | BaseException], None]
    ) -> _Waiting[Item, Answer]:
        waiting: _Waiting[Item, Answer] = _Waiting(item, size, answered)
        self._waiting.append(waiting)
        self._deadlines.add(waiting)
        self._begin()
        return waiting

    def _begin(self) -> None:
        """Begins to gather for another call, if there is need and room for one."""
        if self._waiting and not self._is_gathering and len(self._calls) < self._limits.calls:
            self._is_gathering = True
            task = asyncio.create_task(self._gather_and_send())
            self._calls.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._begin()

    async def _gather_and_send(self) -> None:
        group = await self._gather()
        self._begin()  # with what did not fit
        if group:
            await self._send(group)

    async def _gather(self) -> list[_Waiting[Item, Answer]]:
        """Waits for company; returns what one call carries."""
        try:
            await await_company(
                lambda: len(self._waiting),
                self._pause,
                step_s=self._limits.gather_s,
                enough=self._share(),
            )
            return self._take()
        except BaseException as error:  # noqa: BLE001  `_fail` raises what is not for the items
            lost = list(self._waiting)
            self._waiting.clear()  # or the next would fail over the same
            self._fail(lost, error)
            return []
        finally:
            self._is_gathering = False

    async def _send(self, group: Sequence[_Waiting[Item, Answer]]) -> None:
        try:
            answers = await self._call([waiting.item for waiting in group])
        except BaseException as error:  # noqa: BLE001  `_fail` raises what is not for the items
            self._fail(group, error)
            return
        for waiting, answer in zip(group, answers, strict=True):
            self._say(waiting, answer)

    def _fail(self, group: Iterable[_Waiting[Item, Answer]], error: BaseException) -> None:
        """Tells all of a group what went wrong, and raises it if it is more than an error."""
        for waiting in group:
            self._say(waiting, error)
        if not isinstance(error, Exception):
            raise error

    def _share(self) -> int:
        """How many items a call carries at most."""
        limits = self._limits
        share = -(-len(self._deadlines) // limits.calls)
        return min(max(share, limits.few), limits.items)

    def _take(self) -> list[_Waiting[Item, Answer]]:
        """What one call carries of what still waits for its answer."""
        group: list[_Waiting[Item, Answer]] = []
        size, share = 0, self._share()
        while self._waiting and len(group) < share:
            if self._waiting[0].is_over:  # too late, or its sender left
                self._waiting.popleft()
                continue
            size += self._waiting[0].size
            if group and size > self._limits.size:
                break
            group.append(self._waiting.popleft())
        return group

    def _say(self, waiting: _Waiting[Item, Answer], answer: Answer | BaseException) -> None:
        if not waiting.is_over:
            self._finish(waiting)
            waiting.answered(answer)

    def _finish(self, waiting: _Waiting[Item, Answer]) -> None:
        waiting.is_over = True
        self._deadlines.discard(waiting)

    def _end(self, waiting: _Waiting[Any, Any]) -> None:
        self._say(
            waiting, Fault(Reason.DEADLINE_EXCEEDED, "there was no answer in time; send it again")
        )
