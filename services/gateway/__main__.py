"""The gateway: reads its settings, wires, serves. `python -m services.gateway`"""

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

import grpc
from watersmeet.donations.v1 import catalog_service_pb2_grpc as catalog_grpc
from watersmeet.donations.v1 import notification_service_pb2_grpc as notification_grpc
from watersmeet.gateway.v1 import totals_service_pb2_grpc as totals_grpc
from watersmeet.ledger.v1 import log_service_pb2_grpc as log_grpc

from services.gateway.catalog.follower import CatalogFollower
from services.gateway.catalog.listing import Listing
from services.gateway.http.callbacks import Callbacks
from services.gateway.http.log_http import LogOverHttp
from services.gateway.http.notices import NoticeLimits, Notices
from services.gateway.http.server import HttpServer, application
from services.gateway.live import LiveTotals
from services.gateway.metrics import publish_totals
from services.gateway.settings import Settings
from services.gateway.wire import totals_service
from services.gateway.wire.follower import Follower, Ledger
from services.gateway.wire.totals_service import TotalsService
from services.runtime.channel import open_channel
from services.runtime.clock import system_clock
from services.runtime.server import Server, run_service
from services.runtime.settings import split_addresses


class Gateway(NamedTuple):
    """The parts that are started, stopped and asked from outside."""

    server: Server
    http: HttpServer
    live: LiveTotals
    notices: Notices
    listing: Listing


def wire(
    settings: Settings, ledgers: Sequence[grpc.aio.Channel], donations: grpc.aio.Channel
) -> Gateway:
    """Puts the parts together. Nothing runs before the server is started."""
    live = LiveTotals(system_clock)
    follower = Follower(
        [Ledger(ledger) for ledger in ledgers],
        live,
        silence_s_max=settings.ledger_silence_s,
    )
    notices = Notices(
        notification_grpc.NotificationServiceStub(donations),
        NoticeLimits(
            settings.callbacks_max, settings.callbacks_bytes_max, settings.callback_timeout_s
        ),
    )
    callbacks = Callbacks(notices, body_s=settings.http_body_s)
    listing = Listing()
    catalog = CatalogFollower(catalog_grpc.CatalogServiceStub(donations), listing)
    log = LogOverHttp([log_grpc.LogServiceStub(ledger) for ledger in ledgers])
    http = HttpServer(application(live, listing, callbacks, log, settings), notices, settings)
    server = Server("gateway", settings)
    server.add(
        totals_grpc.add_TotalsServiceServicer_to_server,
        TotalsService(
            live,
            watchers_max=settings.watchers_max,
            watchers_each_max=settings.watchers_each_max,
        ),
        totals_service.SERVICE_NAME,
    )
    server.add_background(follower.run, "follower")
    server.add_background(catalog.run, "catalog")
    server.add_background(live.pulse, "pulse")
    server.add_background(lambda: publish_totals(live), "metrics")
    server.add_background(http.run, "http")
    return Gateway(server, http, live, notices, listing)


async def main() -> None:
    """Serves until it is told to stop. Ready once the ledger's totals are loaded."""
    settings = Settings.from_environment()
    async with AsyncExitStack() as stack:
        ledgers = [
            await stack.enter_async_context(open_channel(address, settings))
            for address in split_addresses(settings.ledger_address)
        ]
        donations = await stack.enter_async_context(
            open_channel(settings.donations_address, settings)
        )
        gateway = wire(settings, ledgers, donations)
        await gateway.server.run(ready=gateway.live.wait_loaded)


if __name__ == "__main__":
    sys.exit(run_service(main))
