"""The ledger: `python -m services.ledger`. Settings, wiring, and nothing else."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from watersmeet.ledger.v1 import (
    account_service_pb2_grpc,
    audit_service_pb2_grpc,
    feed_service_pb2_grpc,
    hold_service_pb2_grpc,
    ledger_service_pb2_grpc,
    log_service_pb2_grpc,
    period_service_pb2_grpc,
    reversal_service_pb2_grpc,
    statement_service_pb2_grpc,
)

from services.ledger import metrics
from services.ledger.audit.auditor import Auditor
from services.ledger.audit.donations import DonationsBatches
from services.ledger.audit.schedule import AuditSchedule
from services.ledger.domain import Cause, CauseKind, Entry
from services.ledger.journal.plan import Plan
from services.ledger.log.archive import Archive
from services.ledger.log.note import Signer
from services.ledger.log.proofs import Proofs
from services.ledger.log.signing import Log, LogPace
from services.ledger.posting.holds import Holds
from services.ledger.posting.leadership import Leadership
from services.ledger.posting.reversals import Reversals
from services.ledger.posting.writer import Writer, WriterLimits
from services.ledger.reading.balances import Balances
from services.ledger.reading.feed import Feed, FeedPace
from services.ledger.reading.history import History
from services.ledger.reading.reader import Reader
from services.ledger.reading.rollup import Rollups
from services.ledger.reading.snapshots import Snapshots
from services.ledger.settings import Settings
from services.ledger.store.accounts import AccountIds
from services.ledger.store.balances import BalanceStore
from services.ledger.store.history import HistoryStore
from services.ledger.store.lease import LeaseStore
from services.ledger.store.log import LogStore
from services.ledger.store.periods import PeriodStore
from services.ledger.store.posting import PostingStore
from services.ledger.store.reading import ReadingStore
from services.ledger.store.snapshot import SnapshotStore
from services.ledger.wire.account_service import AccountService
from services.ledger.wire.audit_service import AuditService
from services.ledger.wire.feed_service import FeedService
from services.ledger.wire.hold_service import HoldService
from services.ledger.wire.ledger_service import LedgerService
from services.ledger.wire.log_service import LogService
from services.ledger.wire.period_service import PeriodService
from services.ledger.wire.reversal_service import ReversalService
from services.ledger.wire.statement_service import StatementService
from services.runtime.channel import open_channel
from services.runtime.clock import Clock, system_clock
from services.runtime.database import database_url, open_blocking_engine, open_engine, upgrade
from services.runtime.server import Server, run_service

# One for the group at hand, one to open accounts beside it.
_WRITER_CONNECTIONS = 2
_ENTRIES_A_BATCH_MAX = 100

WRITER = "writer"
"""The name under which gRPC health says whether this process writes or stands by."""


async def main() -> None:
    """Migrates, and serves until told to stop."""
    settings = Settings.from_environment()
    await asyncio.to_thread(migrate, settings)
    async with compose(settings) as (server, ready):
        await server.run(ready)


def migrate(settings: Settings) -> None:
    """Brings the database to the newest migration. Blocks."""
    owner = database_url(settings.migration_url).username
    role = database_url(settings.database_url).username
    upgrade("services.ledger", settings.migration_url, service_role=role if role != owner else None)


def signers_of(settings: Settings) -> list[Signer]:
    """The log's keys. Raises OSError or ValueError if a file is none."""
    files = (settings.log_key_file, settings.log_next_key_file)
    return [Signer.load(settings.log_origin, file) for file in files if file is not None]


@asynccontextmanager
async def compose(
    settings: Settings, clock: Clock = system_clock
) -> AsyncIterator[tuple[Server, Callable[[], Awaitable[None]]]]:
    """The service, wired and not started, and what it has to do before it is ready."""
    async with AsyncExitStack() as stack:
        # Apart, so that slow readings keep neither quick ones nor the writer from a connection.
        engines = {
            name: open_engine(settings.database_url, name=f"ledger-{name}", pool_size=size)
            for name, size in (
                ("writer", _WRITER_CONNECTIONS),
                ("lease", 1),
                ("reader", settings.pool_size),
                ("balances", 1),
                ("snapshots", settings.snapshots_max),
                ("log", 1),
            )
        }
        for engine in engines.values():
            stack.push_async_callback(engine.dispose)
        large = open_blocking_engine(settings.database_url, name="ledger-writer", pool_size=1)
        stack.callback(large.dispose)
        donations = open_channel(settings.donations_address, settings)
        stack.push_async_callback(donations.close)

        accounts = AccountIds.on(engines["reader"].sync_engine)
        reading = ReadingStore(engines["reader"], accounts)
        feed = Feed(
            reading,
            clock,
            FeedPace(poll_s=settings.feed_poll_s, checkpoint_s=settings.checkpoint_s),
        )
        server = Server("ledger", settings)
        leadership = Leadership(
            LeaseStore(engines["lease"], locking=("ledger-writer", "ledger-lease")),
            lease_s=settings.lease_s,
            changed=lambda writes: server.report(WRITER, serving=writes),
        )
        log_reading = LogStore(engines["reader"])
        signers = signers_of(settings)
        log = Log(
            LogStore(engines["log"]),
            signers,
            clock,
            LogPace(entries=settings.log_entries, seconds=settings.log_s),
        )

        def committed(plan: Plan) -> None:
            feed.committed(plan.change())
            log.committed(plan.entries)

        writer = Writer(
            PostingStore(engines["writer"], large),
            leadership,
            clock,
            limits=WriterLimits(
                queue_transfers=settings.queue_transfers,
                group_transfers=settings.group_transfers,
                retry_s=settings.retry_s,
                value_ahead=timedelta(days=settings.value_ahead_days),
                uncounted_transfers=settings.uncounted_transfers,
            ),
            committed=committed,
        )
        snapshots = Snapshots(
            SnapshotStore(engines["snapshots"], settings.snapshot_statement_timeout_s),
            settings.snapshots_max,
        )
        balances = BalanceStore(engines["balances"])
        stack.push_async_callback(balances.close)
        reader = Reader(
            reading,
            Balances(balances.read),
            snapshots,
            read_totals_timeout_s=settings.read_totals_timeout_s,
        )

        past = HistoryStore(engines["reader"])
        history = History(past, snapshots, clock, read_timeout_s=settings.read_totals_timeout_s)
        rollups = Rollups(
            past,
            reader.head_sequence,
            lambda: leadership.term is not None,
            entries=settings.rollup_entries,
            poll_s=settings.rollup_poll_s,
        )

        async def entries_of_batch(batch_id: str) -> Sequence[Entry]:
            cause = Cause(CauseKind.INTAKE_BATCH, batch_id)
            page = await reader.entries(
                account="", cause=cause, after=0, limit=_ENTRIES_A_BATCH_MAX
            )
            return page.entries

        told = DonationsBatches(donations, settings.summarize_silence_s)
        auditor = Auditor(
            snapshots,
            told.summaries,
            told.positions,
            told.records,
            entries_of_batch,
            clock,
            own_keys=[signer.verifier_key for signer in signers],
        )

        audits = AuditSchedule(
            auditor, lambda: leadership.term is not None, every_s=settings.audit_every_s
        )

        server.add(
            ledger_service_pb2_grpc.add_LedgerServiceServicer_to_server,
            LedgerService(writer, reader, history, feed),
            "watersmeet.ledger.v1.LedgerService",
        )
        server.add(
            feed_service_pb2_grpc.add_FeedServiceServicer_to_server,
            FeedService(feed),
            "watersmeet.ledger.v1.FeedService",
        )
        server.add(
            statement_service_pb2_grpc.add_StatementServiceServicer_to_server,
            StatementService(reader, history),
            "watersmeet.ledger.v1.StatementService",
        )
        server.add(
            account_service_pb2_grpc.add_AccountServiceServicer_to_server,
            AccountService(writer, reader),
            "watersmeet.ledger.v1.AccountService",
        )
        server.add(
            hold_service_pb2_grpc.add_HoldServiceServicer_to_server,
            HoldService(Holds(writer, reading)),
            "watersmeet.ledger.v1.HoldService",
        )
        server.add(
            period_service_pb2_grpc.add_PeriodServiceServicer_to_server,
            PeriodService(writer, PeriodStore(engines["reader"], accounts)),
            "watersmeet.ledger.v1.PeriodService",
        )
        server.add(
            reversal_service_pb2_grpc.add_ReversalServiceServicer_to_server,
            ReversalService(Reversals(writer, reading)),
            "watersmeet.ledger.v1.ReversalService",
        )
        server.add(
            audit_service_pb2_grpc.add_AuditServiceServicer_to_server,
            AuditService(auditor),
            "watersmeet.ledger.v1.AuditService",
        )
        server.add(
            log_service_pb2_grpc.add_LogServiceServicer_to_server,
            LogService(
                Proofs(log_reading, reader, signs_every_s=settings.log_s),
                Archive(snapshots, reading, log_reading),
            ),
            "watersmeet.ledger.v1.LogService",
        )
        server.add_background(leadership.run, "leadership")
        server.add_background(writer.run, "writer")
        server.add_background(partial(writer.expire, settings.expire_every_s), "expiry")
        server.add_background(rollups.run, "rollups")
        server.add_background(audits.run, "audits")
        server.add_background(log.run, "log")

        async def ready() -> None:
            await leadership.look()
            metrics.HEAD_SEQUENCE.set(await reader.head_sequence())

        await server.report(WRITER, serving=False)
        yield server, ready


if __name__ == "__main__":
    sys.exit(run_service(main))
