"""So many calls at once, and of those that wait the newest first."""

import asyncio

import pytest
from watersmeet._window import Window


async def enter(window: Window, name: str, order: list[str], timeout_s: float = 10) -> None:
    await window.enter(timeout_s)
    order.append(name)


async def test_the_newest_goes_first() -> None:
    window, order = Window(1), list[str]()
    await window.enter(1)
    waiting = [asyncio.create_task(enter(window, name, order)) for name in "abc"]
    await asyncio.sleep(0)
    for _ in range(3):
        window.leave()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert order == ["c", "b", "a"]
    await asyncio.gather(*waiting)


async def test_whoever_gives_up_takes_no_place() -> None:
    window, order = Window(1), list[str]()
    await window.enter(1)
    with pytest.raises(TimeoutError):
        await window.enter(0.01)
    left = asyncio.create_task(enter(window, "left", order))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    window.leave()
    await window.enter(0.01)
    assert order == []


async def test_a_place_that_comes_as_its_taker_leaves_is_passed_on() -> None:
    window, order = Window(1), list[str]()
    await window.enter(1)
    stays = asyncio.create_task(enter(window, "stays", order))
    leaves = asyncio.create_task(enter(window, "leaves", order))
    await asyncio.sleep(0)
    window.leave()
    leaves.cancel()
    await asyncio.gather(stays, leaves, return_exceptions=True)
    assert order == ["stays"]
