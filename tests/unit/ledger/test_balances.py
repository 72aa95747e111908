"""Balances for many callers: few questions, each asked after whoever it answers."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from services.ledger.domain import AccountKind, AccountName, Balance
from services.ledger.reading.balances import Balances, Standing

ONE, TWO, NONE = (AccountName(code, "CNY") for code in ("one", "two", "none"))


class Books:
    """Books that count how often they are asked; every question takes a turn of the loop."""

    def __init__(self) -> None:
        self.asked: list[list[AccountName]] = []
        self.error: Exception | None = None
        self.began = asyncio.Event()

    async def read(self, names: Collection[AccountName]) -> Mapping[AccountName, Standing]:
        """The number of the question stands for what it saw."""
        self.asked.append(sorted(names))
        seen = len(self.asked)
        self.began.set()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return {
            name: (Balance(name, AccountKind.ASSET, seen, 0), seen)
            for name in names
            if name != NONE
        }


async def test_who_asks_at_once_is_answered_at_once() -> None:
    books = Books()
    balances = Balances(books.read)
    answers = await asyncio.gather(*map(balances.of, [ONE, TWO, ONE, NONE]))
    assert books.asked == [sorted([ONE, TWO, NONE])]
    assert [answer and answer[0].name for answer in answers] == [ONE, TWO, ONE, None]


async def test_nobody_is_told_what_was_read_before_it_asked() -> None:
    books = Books()
    balances = Balances(books.read)
    first = asyncio.create_task(balances.of(ONE))
    await books.began.wait()
    later = await balances.of(ONE)
    assert later is not None
    assert later[1] == 2
    assert await first == (Balance(ONE, AccountKind.ASSET, 1, 0), 1)


async def test_who_comes_while_a_question_is_out_waits_for_company() -> None:
    books = Books()
    late: list[asyncio.Task[Standing | None]] = []

    async def pause(_: float) -> None:
        if not late:
            late.append(asyncio.create_task(balances.of(NONE)))
        await asyncio.sleep(0)

    balances = Balances(books.read, pause=pause)
    alone = asyncio.create_task(balances.of(ONE))
    await books.began.wait()
    assert not late
    await balances.of(TWO)
    await asyncio.gather(alone, *late)
    assert books.asked == [[ONE], sorted([NONE, TWO])]


async def test_a_failure_is_told_to_all_and_the_next_question_is_asked() -> None:
    books = Books()
    books.error = ZeroDivisionError()
    balances = Balances(books.read)
    answers = await asyncio.gather(balances.of(ONE), balances.of(TWO), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ZeroDivisionError, ZeroDivisionError]
    books.error = None
    assert await balances.of(ONE) is not None


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    books = Books()
    balances = Balances(books.read)
    leaves, stays = (asyncio.create_task(balances.of(ONE)) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    assert await stays is not None
