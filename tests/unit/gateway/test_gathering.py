"""Items that arrive within the same moment share calls, and nothing else."""

import asyncio
from collections.abc import Sequence

import pytest

from services.gateway.http.gathering import Gatherer, GatherLimits
from services.runtime.errors import Fault, Reason


class Calls:
    """What the gatherer calls: answers each item with itself, when it is let go on.

    Items "bad" are refused; a call that carries "broken" fails as a whole.
    """

    def __init__(self, *, held: bool = False) -> None:
        self.made: list[list[str]] = []
        self.at_once = self.most_at_once = 0
        self.go_on = asyncio.Event()
        if not held:
            self.go_on.set()

    async def __call__(self, items: Sequence[str]) -> list[str | Fault]:
        self.made.append(list(items))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.go_on.wait()
        finally:
            self.at_once -= 1
        if "broken" in items:
            raise ZeroDivisionError("a defect")
        return [Fault(Reason.FIELD_INVALID, "bad") if item == "bad" else item for item in items]


def gatherer(
    calls: Calls,
    *,
    at_once: int = 2,
    few: int = 100,
    items: int = 100,
    size: int = 1_000,
    timeout_s: float = 30,
) -> Gatherer[str, str]:
    return Gatherer(calls, GatherLimits(at_once, few, items, size, 0.0, timeout_s))


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_what_arrives_together_goes_together_in_its_order() -> None:
    calls = Calls()
    gathering = gatherer(calls)
    items = [str(number) for number in range(10)]
    assert await asyncio.gather(*(gathering.pass_on(item, 1) for item in items)) == items
    assert calls.made == [items]


async def test_what_arrives_while_all_calls_are_busy_shares_the_next() -> None:
    calls = Calls(held=True)
    gathering = gatherer(calls)
    waiting = []
    for item in "ab":
        waiting.append(asyncio.create_task(gathering.pass_on(item, 1)))
        await settled()
    waiting += [asyncio.create_task(gathering.pass_on(item, 1)) for item in "cdefg"]
    await settled()
    assert calls.made == [["a"], ["b"]]
    calls.go_on.set()
    assert await asyncio.gather(*waiting) == list("abcdefg")
    assert calls.made == [["a"], ["b"], list("cdefg")]
    assert calls.most_at_once == 2


async def test_a_call_carries_so_many_items_and_so_much() -> None:
    calls = Calls()
    gathering = gatherer(calls, items=3, size=10)
    sizes = {"a": 4, "b": 4, "c": 4, "d": 1, "e": 1, "f": 1, "g": 50, "h": 1}
    answers = await asyncio.gather(*(gathering.pass_on(i, size) for i, size in sizes.items()))
    assert answers == list(sizes)
    assert calls.made == [["a", "b"], ["c", "d", "e"], ["f"], ["g"], ["h"]]


async def test_a_call_carries_its_share_of_all_that_is_under_way_but_not_too_few() -> None:
    calls = Calls(held=True)
    gathering = gatherer(calls, at_once=2, few=4, items=8)
    items = [str(number) for number in range(12)]
    waiting = [asyncio.create_task(gathering.pass_on(item, 1)) for item in items]
    await settled()
    assert calls.made == [items[:6], items[6:]], "each carries half"
    calls.go_on.set()
    assert await asyncio.gather(*waiting) == items

    for count, parts in ((5, [4, 1]), (40, [8, 8, 8, 8, 4, 4])):
        calls.made.clear()
        many = [str(number) for number in range(count)]
        assert await asyncio.gather(*(gathering.pass_on(item, 1) for item in many)) == many
        assert [len(made) for made in calls.made] == parts


async def test_a_refused_item_leaves_the_others_alone() -> None:
    gathering = gatherer(Calls())
    sent = (gathering.pass_on(item, 1) for item in ("a", "bad", "b"))
    first, refused, last = await asyncio.gather(*sent, return_exceptions=True)
    assert (first, last) == ("a", "b")
    assert isinstance(refused, Fault)
    assert refused.reason is Reason.FIELD_INVALID


async def test_a_call_that_breaks_is_told_to_all_of_its_items_and_to_no_other() -> None:
    calls = Calls()
    gathering = gatherer(calls, items=2)
    sent = (gathering.pass_on(item, 1) for item in ("a", "broken", "b"))
    first, second, third = await asyncio.gather(*sent, return_exceptions=True)
    assert isinstance(first, ZeroDivisionError)
    assert isinstance(second, ZeroDivisionError)
    assert third == "b"
    assert await gathering.pass_on("c", 1) == "c"


async def test_a_defect_while_gathering_is_told_once_to_all_that_wait() -> None:
    defects = [ZeroDivisionError("a defect")]

    async def pause(_seconds: float) -> None:
        if defects:
            raise defects.pop()

    calls = Calls()
    limits = GatherLimits(2, few=100, items=100, size=1_000, gather_s=0.0, timeout_s=30)
    gathering = Gatherer(calls, limits, pause=pause)
    sent = (gathering.pass_on(item, 1) for item in "ab")
    first, second = await asyncio.gather(*sent, return_exceptions=True)
    assert isinstance(first, ZeroDivisionError)
    assert isinstance(second, ZeroDivisionError)
    assert calls.made == []
    assert await gathering.pass_on("c", 1) == "c"


async def test_an_item_waits_no_longer_than_it_may() -> None:
    calls = Calls(held=True)
    gathering = gatherer(calls, at_once=1, timeout_s=0.05)
    waiting = [asyncio.create_task(gathering.pass_on(item, 1)) for item in ("sent",)]
    await settled()
    waiting.append(asyncio.create_task(gathering.pass_on("queued", 1)))
    for task in waiting:
        with pytest.raises(Fault) as caught:
            await task
        assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    calls.go_on.set()
    await settled()
    assert calls.made == [["sent"]], "nobody waits for the other any more"
    assert await gathering.pass_on("next", 1) == "next"


async def test_a_sender_that_left_is_not_served() -> None:
    calls = Calls(held=True)
    gathering = gatherer(calls, at_once=1)
    sent = asyncio.create_task(gathering.pass_on("sent", 1))
    await settled()
    left = asyncio.create_task(gathering.pass_on("left", 1))
    stays = asyncio.create_task(gathering.pass_on("stays", 1))
    await settled()
    left.cancel()
    await settled()
    calls.go_on.set()
    assert await asyncio.gather(sent, stays) == ["sent", "stays"]
    assert calls.made == [["sent"], ["stays"]]
