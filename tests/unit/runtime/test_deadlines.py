"""Each thing has its time, whenever it began and whatever becomes of the others."""

import asyncio

from services.runtime.deadlines import Deadlines

STEP_S = 0.05


async def test_what_takes_too_long_is_ended_in_its_order() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    deadlines = Deadlines(4 * STEP_S, ended.put_nowait)
    started = asyncio.get_running_loop().time()
    for item in ("first", "quick", "second"):
        deadlines.add(item)
    deadlines.discard("quick")
    deadlines.discard("never there")
    await asyncio.sleep(2 * STEP_S)
    assert ended.empty()
    deadlines.add("late")
    assert [await ended.get(), await ended.get()] == ["first", "second"]
    deadlines.discard("first")  # over in the end
    assert await ended.get() == "late"
    assert asyncio.get_running_loop().time() - started >= 6 * STEP_S


async def test_one_that_begins_when_nothing_is_left_has_its_time() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    deadlines = Deadlines(STEP_S, ended.put_nowait)
    deadlines.add("over")
    deadlines.discard("over")
    await asyncio.sleep(2 * STEP_S)
    started = asyncio.get_running_loop().time()
    deadlines.add("next")
    assert await ended.get() == "next"
    assert asyncio.get_running_loop().time() - started >= STEP_S
