"""The messages that a client streams, as its handler iterates over them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from services.runtime.quotas.quotas import PartnerQuotas, Quota
from services.runtime.served import Context


class Requests(AsyncIterator[Any]):
    """A client's messages, until its side ends or the server begins to stop."""

    def __init__(
        self,
        context: Context,
        accept: Callable[[bytes], Any],
        draining: asyncio.Future[None],
        quotas: PartnerQuotas | None,
    ) -> None:
        """accept: what each message goes through. draining: done when the server begins to stop.

        quotas: of whoever sends; its messages wait until they are within the bytes a second.
        """
        self._context = context
        self._quotas = quotas
        self._accept = accept
        self._draining = draining
        # Whether there may be more that was left unread.
        self.is_cut = False

    async def __anext__(self) -> Any:
        if self.is_cut:
            raise StopAsyncIteration
        reading = asyncio.ensure_future(self._context.read())
        try:
            await asyncio.wait({reading, self._draining}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not reading.done():
                # It ends with the call; nobody asks for it any more. gRPC cannot cancel it.
                reading.add_done_callback(lambda read: read.cancelled() or read.exception())
        if not reading.done():
            self.is_cut = True
            raise StopAsyncIteration
        message = reading.result()
        if message is grpc.aio.EOF:
            raise StopAsyncIteration
        if self._quotas is not None:
            await self._quotas.pace(Quota.BYTES, len(message))
        return self._accept(message)
