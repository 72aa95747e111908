"""Trying one call again, under the same ids, until it succeeds or its time is up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc.aio

from watersmeet._errors import Backoff, WatersmeetError, error_of

ResponseT = TypeVar("ResponseT")


async def retried(attempt: Callable[[float], Awaitable[ResponseT]], timeout_s: float) -> ResponseT:
    """Awaits attempt(seconds left), again while its failure is one that may pass.

    Raises the last failure as WatersmeetError.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    backoff = Backoff()
    while True:
        try:
            return await attempt(deadline_s - loop.time())
        except WatersmeetError as failure:
            error = failure
        except grpc.aio.AioRpcError as failure:
            error = error_of(failure)
        delay_s = backoff.delay(error)
        if delay_s is None or loop.time() + delay_s >= deadline_s:
            raise error
        await asyncio.sleep(delay_s)
