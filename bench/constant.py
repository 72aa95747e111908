"""The reference of the callback row: aiohttp, set up as the gateway sets it up, and a constant."""

from dataclasses import dataclass

from aiohttp import web

_BODY_BYTES_MAX = 1024 * 1024
_LINE_BYTES_MAX = 8_190
_HEADERS_MAX = 100
_IDLE_S = 30.0
_BACKLOG = 512


@dataclass(slots=True)
class ConstantServer:
    """Reads a notice whole and acknowledges it, whatever it says."""

    _runner: web.AppRunner | None = None

    async def start(self) -> int:
        """See processes.Server."""
        app = web.Application(client_max_size=_BODY_BYTES_MAX)
        app.router.add_post("/callbacks/{platform}", _acknowledge)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_IDLE_S,
            max_line_size=_LINE_BYTES_MAX,
            max_field_size=_LINE_BYTES_MAX,
            max_headers=_HEADERS_MAX,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=_BACKLOG)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """See processes.Server."""
        if self._runner is not None:
            await self._runner.cleanup()


async def _acknowledge(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=b'{"code":"SUCCESS"}', content_type="application/json")
