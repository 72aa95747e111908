"""Work in a loop of another thread."""

import asyncio
import threading

import pytest

from services.runtime.beside import Beside, here


async def _thread() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


async def test_work_is_done_beside_and_its_result_is_told() -> None:
    async with Beside("other") as beside:
        assert await beside(_thread()) == "other"
        assert await asyncio.gather(beside(_thread()), beside(_thread())) == ["other", "other"]
    assert await here(_thread()) == threading.current_thread().name
    assert "other" not in [thread.name for thread in threading.enumerate()]


async def test_what_the_work_raises_is_raised() -> None:
    async def fail() -> None:
        raise LookupError("it is not there")

    async with Beside("other") as beside:
        with pytest.raises(LookupError, match="it is not there"):
            await beside(fail())


async def test_it_goes_on_while_the_callers_loop_computes() -> None:
    done = threading.Event()

    async def tell() -> None:
        await asyncio.sleep(0)
        done.set()

    async with Beside("other") as beside:
        told = asyncio.ensure_future(beside(tell()))
        await asyncio.sleep(0)
        assert done.wait(10), "this loop does nothing else meanwhile"
        await told


async def test_a_cancelled_caller_cancels_the_work() -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with Beside("other") as beside:
        waiting = asyncio.ensure_future(beside(wait()))
        await asyncio.to_thread(begun.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await asyncio.to_thread(cancelled.wait, 10)
