"""Intake: `python -m services.donations`. Settings, wiring, and nothing else."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from watersmeet.donations.v1 import (
    allocation_service_pb2_grpc,
    batch_service_pb2_grpc,
    catalog_service_pb2_grpc,
    donation_intake_service_pb2_grpc,
    donor_service_pb2_grpc,
    life_service_pb2_grpc,
    notification_service_pb2_grpc,
    pledge_service_pb2_grpc,
    position_service_pb2_grpc,
    record_service_pb2_grpc,
    review_service_pb2_grpc,
)

from services.donations.catalog.memory import Catalog
from services.donations.commit.committer import Committer, Limits
from services.donations.commit.sweeper import Sweeper
from services.donations.desks.allocations import AllocationDesk
from services.donations.desks.donors import DonorDesk, Rewrapper
from services.donations.desks.notices import NoticeDesk, Quarantine
from services.donations.desks.pledges import Pledging
from services.donations.desks.review import ReviewDesk
from services.donations.donors.keys import KeyRing
from services.donations.donors.vault import Vault
from services.donations.gifts.tokens import DonorTokens
from services.donations.platforms import load_platforms
from services.donations.pledges.memory import PledgeBook
from services.donations.settings import Settings
from services.donations.store.allocations import AllocationStore
from services.donations.store.catalog import CatalogStore
from services.donations.store.closures import ClosureReader
from services.donations.store.conflicts import ConflictStore
from services.donations.store.donors import DonorStore
from services.donations.store.lane import Lane
from services.donations.store.orders import OrderReader
from services.donations.store.outbox import Outbox
from services.donations.store.pledges import PledgeStore
from services.donations.store.proving import ProofReader
from services.donations.store.quarantine import QuarantineStore
from services.donations.store.reading import GiftReader
from services.donations.store.rederiving import LifeReader
from services.donations.store.review import ReviewStore
from services.donations.store.summary import BatchReader
from services.donations.store.suspense import SuspenseReader
from services.donations.wire.allocation_service import AllocationService
from services.donations.wire.batch_service import BatchService
from services.donations.wire.catalog_service import CatalogService
from services.donations.wire.donor_service import DonorService
from services.donations.wire.intake_service import DonationIntakeService
from services.donations.wire.life_service import LifeService
from services.donations.wire.notification_service import NotificationService
from services.donations.wire.pledge_service import PledgeService
from services.donations.wire.position_service import PositionService
from services.donations.wire.record_service import RecordService
from services.donations.wire.relay import Relay
from services.donations.wire.review_service import ReviewService
from services.runtime.channel import open_channel
from services.runtime.clock import Clock, system_clock
from services.runtime.database import database_url, open_engine, upgrade
from services.runtime.server import Server, run_service
from services.runtime.settings import split_addresses

_PACKAGE = "watersmeet.donations.v1"


async def main() -> None:
    """Migrates, and serves until told to stop."""
    settings = Settings.from_environment()
    await asyncio.to_thread(migrate, settings)
    async with compose(settings) as (server, catalog):
        await server.run(ready=catalog.refresh)


def migrate(settings: Settings) -> None:
    """Brings the database to the newest migration. Blocks."""
    owner = database_url(settings.migration_url).username
    role = database_url(settings.database_url).username
    upgrade(
        "services.donations", settings.migration_url, service_role=role if role != owner else None
    )


@asynccontextmanager
async def compose(
    settings: Settings, clock: Clock = system_clock
) -> AsyncIterator[tuple[Server, Catalog]]:
    """The service, wired and not started, and the catalog that it needs before it is ready."""
    async with AsyncExitStack() as stack:
        # Apart, so that slow readings never keep the writers from their connections.
        lanes = open_engine(settings.database_url, name="donations-lanes", pool_size=settings.lanes)
        engine = open_engine(settings.database_url, name="donations", pool_size=settings.pool_size)
        for opened in (lanes, engine):
            stack.push_async_callback(opened.dispose)
        ledgers = [
            open_channel(address, settings) for address in split_addresses(settings.ledger_address)
        ]
        for channel in ledgers:
            stack.push_async_callback(channel.close)

        tokens = DonorTokens.load(settings.donor_key_file)
        donor_keys = KeyRing.load(settings.donor_keys_dir)
        vault = Vault(donor_keys)
        donors = DonorStore(engine)
        rewrapper = Rewrapper(donors, vault, donor_keys)
        platforms = load_platforms(settings.platforms_file)
        catalog_store = CatalogStore(engine)
        catalog = Catalog(catalog_store)
        reader = GiftReader(engine)
        committer = Committer(
            [Lane(lanes) for _ in range(settings.lanes)],
            catalog,
            clock,
            Limits(
                group_rows=settings.group_rows,
                queue_rows=settings.queue_rows,
                gather_s=settings.gather_s,
            ),
        )
        sweeper = Sweeper(committer, reader)
        relay = Relay(Outbox(engine), ledgers, clock)
        committer.on_recorded(relay.recorded)
        quarantine = Quarantine(
            QuarantineStore(engine), clock, bytes_an_hour=settings.quarantine_bytes_an_hour
        )
        pledges = PledgeStore(engine)
        orders = OrderReader(engine)
        book = PledgeBook(pledges)
        pledging = Pledging(pledges, orders, book, committer, catalog, tokens, clock)

        server = Server("donations", settings)
        desk = NoticeDesk(platforms, committer, quarantine, tokens, clock, server.quotas)
        server.add(
            donation_intake_service_pb2_grpc.add_DonationIntakeServiceServicer_to_server,
            DonationIntakeService(
                committer,
                catalog,
                reader,
                desk,
                tokens,
                clock,
                server.quotas,
                stream_in_flight=settings.stream_in_flight,
            ),
            f"{_PACKAGE}.DonationIntakeService",
        )
        server.add(
            notification_service_pb2_grpc.add_NotificationServiceServicer_to_server,
            NotificationService(desk),
            f"{_PACKAGE}.NotificationService",
        )
        server.add(
            life_service_pb2_grpc.add_LifeServiceServicer_to_server,
            LifeService(committer, catalog, reader, clock, server.quotas),
            f"{_PACKAGE}.LifeService",
        )
        server.add(
            catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server,
            CatalogService(catalog_store, ClosureReader(engine), catalog, clock),
            f"{_PACKAGE}.CatalogService",
        )
        server.add(
            pledge_service_pb2_grpc.add_PledgeServiceServicer_to_server,
            PledgeService(pledging, tokens, server.quotas),
            f"{_PACKAGE}.PledgeService",
        )
        server.add(
            position_service_pb2_grpc.add_PositionServiceServicer_to_server,
            PositionService(LifeReader(engine)),
            f"{_PACKAGE}.PositionService",
        )
        server.add(
            record_service_pb2_grpc.add_RecordServiceServicer_to_server,
            RecordService(ProofReader(engine)),
            f"{_PACKAGE}.RecordService",
        )
        server.add(
            batch_service_pb2_grpc.add_BatchServiceServicer_to_server,
            BatchService(BatchReader(engine)),
            f"{_PACKAGE}.BatchService",
        )
        server.add(
            donor_service_pb2_grpc.add_DonorServiceServicer_to_server,
            DonorService(DonorDesk(donors, vault, tokens, catalog, clock), clock),
            f"{_PACKAGE}.DonorService",
        )
        review = ReviewStore(engine)
        server.add(
            review_service_pb2_grpc.add_ReviewServiceServicer_to_server,
            ReviewService(ConflictStore(engine), review, ReviewDesk(review, desk, clock), catalog),
            f"{_PACKAGE}.ReviewService",
        )
        suspense = SuspenseReader(engine)
        allocations = AllocationDesk(committer, catalog, AllocationStore(engine), suspense, clock)
        server.add(
            allocation_service_pb2_grpc.add_AllocationServiceServicer_to_server,
            AllocationService(allocations, suspense, catalog),
            f"{_PACKAGE}.AllocationService",
        )
        server.add_background(committer.run, "committer")
        server.add_background(sweeper.run, "sweeper")
        server.add_background(relay.run, "relay")
        server.add_background(rewrapper.run, "rewrapper")
        server.add_background(catalog.keep_fresh, "catalog")
        yield server, catalog


if __name__ == "__main__":
    sys.exit(run_service(main))
