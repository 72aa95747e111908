"""The HTTP server: what is where, and what a client may hold of it."""

import asyncio
import socket

import structlog
from aiohttp import web

from services.gateway.catalog.listing import Listing
from services.gateway.http.answers import json_answer
from services.gateway.http.callbacks import Callbacks
from services.gateway.http.connection import HEADERS_MAX, LINE_BYTES_MAX, Connection, Refused
from services.gateway.http.door import Door, Doors
from services.gateway.http.exchange import Exchange
from services.gateway.http.log_http import LogOverHttp
from services.gateway.http.notices import ROUTE, Notices
from services.gateway.http.page import Page
from services.gateway.http.projects_http import ProjectsOverHttp
from services.gateway.http.totals_http import TotalsOverHttp
from services.gateway.live import LiveTotals
from services.gateway.settings import Settings
from services.runtime.settings import split_address

_log = structlog.get_logger()

_LINGER_S = 5.0
_BACKLOG = 512


def application(
    live: LiveTotals,
    listing: Listing,
    callbacks: Callbacks,
    log: LogOverHttp,
    settings: Settings,
) -> web.Application:
    """What is where."""
    exchange = Exchange(
        requests_max=settings.http_requests_max,
        answer_s=settings.http_answer_s,
        apart=(ROUTE,),
    )
    totals = TotalsOverHttp(live)
    projects = ProjectsOverHttp(listing)
    page = Page()

    async def health(_request: web.Request) -> web.Response:
        live.require()
        return json_answer({"status": "ready"})

    app = web.Application(middlewares=[exchange.serve])
    app.router.add_get("/v1/totals", totals.get)
    app.router.add_get("/v1/projects", projects.get)
    log.add_routes(app.router)
    app.router.add_get("/healthz", health)
    app.router.add_get(ROUTE, callbacks.accept, allow_head=False)
    app.router.add_post(ROUTE, callbacks.accept)
    for path in page.paths:
        app.router.add_get(path, page.get)
    return app


class HttpServer:
    """Listens on settings.http_listen for as long as `run` runs."""

    def __init__(self, app: web.Application, notices: Notices, settings: Settings) -> None:
        self._settings = settings
        self._runner = web.AppRunner(app, shutdown_timeout=settings.drain_s)
        self._doors = Doors(
            notices,
            self._connection,
            idle_s=settings.http_idle_s,
            answer_s=settings.http_answer_s,
        )
        self._listener: asyncio.Server | None = None
        self.listening = asyncio.Event()
        self.port = 0

    async def run(self) -> None:
        """Serves until it is cancelled, then lets requests under way finish.

        Raises OSError if the address cannot be bound.
        """
        await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.stop()

    async def start(self) -> None:
        """Listens. Raises OSError if the address cannot be bound."""
        await self._runner.setup()
        host, port = split_address(self._settings.http_listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._door, sock=listening)
        self.port = listening.getsockname()[1]
        self.listening.set()
        _log.info("http started", address=f"{host}:{self.port}")

    async def stop(self) -> None:
        """Takes no more connections, lets requests under way finish, closes all others."""
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(self._doors.close(self._settings.drain_s), self._runner.cleanup())

    def _door(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None, "it listens only between setup and cleanup"
        if len(server.connections) + len(self._doors) >= self._settings.http_connections_max:
            return Refused()
        return Door(self._doors)

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None, "doors are closed before it goes"
        return Connection(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # exchange.py writes its own
            auto_decompress=False,  # a signature covers the bytes as they came
            keepalive_timeout=self._settings.http_idle_s,
            lingering_time=_LINGER_S,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )
