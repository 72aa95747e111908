"""Balances now: one question to the books for all who ask in the same moment."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import chain

from services.ledger.domain import AccountName, Balance
from services.runtime.company import Pause, await_company

Standing = tuple[Balance, int]
"""What an account holds, and the last entry that it counts."""

_Answer = asyncio.Future[Standing | None]

Read = Callable[[Collection[AccountName]], Awaitable[Mapping[AccountName, Standing]]]


# A question costs as much as answering it to dozens.
_STEP_S = 0.002
_ENOUGH = 64


class Balances:
    """Reads balances for callers.

    One question is out at a time, and whoever comes meanwhile is in the next one, which waits for
    company as long as it comes. So each is told what was read after it asked, many callers cost
    little more than one, and one who is alone is asked for at once.
    """

    def __init__(self, read: Read, *, pause: Pause = asyncio.sleep) -> None:
        """read: those of the accounts that are open. What it raises, all that wait are told."""
        self._read = read
        self._pause = pause
        self._waiting: dict[AccountName, list[_Answer]] = {}
        self._callers = 0  # how many wait
        self._reading: asyncio.Task[None] | None = None

    async def of(self, name: AccountName) -> Standing | None:
        """How an account stands; None if it is not open."""
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(answer)
        self._callers += 1
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await answer

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting, self._callers = self._waiting, {}, 0
                await self._tell(asked)
                if self._waiting:
                    await await_company(
                        lambda: self._callers, self._pause, step_s=_STEP_S, enough=_ENOUGH
                    )
        finally:
            self._reading = None

    async def _tell(self, asked: Mapping[AccountName, Sequence[_Answer]]) -> None:
        try:
            found = await self._read(asked.keys())
        except BaseException as error:
            for answer in chain.from_iterable(asked.values()):
                if not answer.done():  # whoever asked may have left
                    answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for name, answers in asked.items():
            standing = found.get(name)
            for answer in answers:
                if not answer.done():
                    answer.set_result(standing)
