"""Each thing has its time, whenever it began and whatever becomes of the others."""

import asyncio

from services.runtime.deadlines import Deadlines

STEP_S = 0.05


async def test_what_takes_too_long_is_ended_in_its_order() -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
    deadlines: Deadlines[str] = Deadlines(
        STEP_S, lambda item: ended.put_nowait((item, loop.time()))
    )
    started = loop.time()
    for item in ("first", "quick", "second"):
        deadlines.add(item)
    deadlines.discard("quick")
    deadlines.discard("never there")
    await asyncio.sleep(STEP_S / 2)
    late = loop.time()
    deadlines.add("late")
    found = [await ended.get() for _ in range(3)]
    deadlines.discard("first")  # over in the end
    assert [item for item, _ in found] == ["first", "second", "late"]
    assert found[0][1] >= started + STEP_S
    assert found[2][1] >= late + STEP_S


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
