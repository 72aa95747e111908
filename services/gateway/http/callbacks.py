"""/callbacks/{platform} as aiohttp hands it over: notices that `door` did not take.

Their bodies come in pieces, or something is unusual about them. They go the same way to intake, and
its answer, which is the platform's own form of acknowledgement, comes back.
"""

import asyncio

from aiohttp import web

from services.gateway.http.exchange import REQUEST_ID
from services.gateway.http.notices import BODY_BYTES_MAX, Notice, Notices, for_the_world
from services.runtime.errors import Fault, Reason


class Callbacks:
    """The handler."""

    def __init__(self, notices: Notices, *, body_s: float) -> None:
        """body_s: how long a platform may take to send a body."""
        self._notices = notices
        self._body_s = body_s

    async def accept(self, request: web.Request) -> web.Response:
        """Takes one notice in. Raises Fault for what intake refuses, or cannot take now."""
        platform = request.match_info["platform"]
        size = _size_at_most(request)
        self._notices.enter(platform, size)
        try:
            return await self._forward(request, platform)
        finally:
            self._notices.leave(size)

    async def _forward(self, request: web.Request, platform: str) -> web.Response:
        request_id, body = request[REQUEST_ID], await self._body(request)
        notice = Notice(
            platform, request_id, request.method, request.raw_path, request.raw_headers, body
        )
        try:
            answer = await self._notices.pass_on(notice)
        except Fault as fault:
            raise for_the_world(fault, request_id) from fault
        return web.Response(status=answer.http_status, body=answer.body, headers=answer.headers)

    async def _body(self, request: web.Request) -> bytes:
        """The body as it came. Raises Fault(MESSAGE_TOO_LARGE), HTTPRequestTimeout."""
        if (request.content_length or 0) > BODY_BYTES_MAX:
            raise _too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > BODY_BYTES_MAX:
                        raise _too_large()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        return bytes(body)


def _size_at_most(request: web.Request) -> int:
    """Bytes that the body may come to."""
    if not request.can_read_body:
        return 0
    length = request.content_length
    return BODY_BYTES_MAX if length is None else min(length, BODY_BYTES_MAX)


def _too_large() -> Fault:
    return Fault(
        Reason.MESSAGE_TOO_LARGE, f"a notice has at most {BODY_BYTES_MAX:,} bytes; this has more"
    )
