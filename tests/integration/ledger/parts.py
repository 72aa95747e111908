"""The ledger's parts, wired by hand in the test's own process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.audit.auditor import Auditor, Report
from services.ledger.audit.batches import BatchSummary
from services.ledger.audit.positions import CheckedGifts
from services.ledger.audit.records import CheckedRecords
from services.ledger.domain import Cause, CauseKind, Entry, EntryDraft, Posting
from services.ledger.journal.plan import Outcome
from services.ledger.posting.leadership import Tenure
from services.ledger.posting.writer import Writer, WriterLimits
from services.ledger.reading.balances import Balances
from services.ledger.reading.feed import Feed, FeedPace
from services.ledger.reading.history import History
from services.ledger.reading.reader import Reader
from services.ledger.reading.snapshots import Snapshots
from services.ledger.store.accounts import AccountIds
from services.ledger.store.balances import BalanceStore
from services.ledger.store.history import HistoryStore
from services.ledger.store.posting import PostingStore
from services.ledger.store.reading import ReadingStore
from services.ledger.store.snapshot import SnapshotStore
from services.runtime.clock import Clock
from services.runtime.company import Pause
from services.runtime.database import open_blocking_engine, open_engine
from services.runtime.errors import Fault


class FixedTenure:
    """The right to write in one term, for as long as the books are in that term."""

    def __init__(self, term: int = 0) -> None:
        self.term = term

    def require_term(self) -> int:
        """The term."""
        return self.term


COUNTED = WriterLimits(uncounted_transfers=0)
"""So that the totals' tables lack nothing."""

PACE = FeedPace(page_entries=7, poll_s=0.05, checkpoint_s=0.2)


def role_of(url: str) -> str:
    """The role that a database URL logs in as."""
    role = make_url(url).username
    assert role is not None, "the URL names its role"
    return role


@dataclass
class Parts:
    """One ledger. writing: the task that runs its writer."""

    posting: PostingStore
    writer: Writer
    reading: ReadingStore
    balances: Balances
    reader: Reader
    snapshots: Snapshots
    past: HistoryStore
    history: History
    feed: Feed
    clock: Clock
    writing: asyncio.Task[None]

    async def post(self, *drafts: EntryDraft) -> list[Outcome]:
        """What becomes of the drafts."""
        return await self.writer.post(drafts)

    async def post_all(self, *drafts: EntryDraft) -> list[Posting]:
        """Where the drafts stand; all of them must."""
        outcomes = await self.writer.post(drafts)
        postings = [outcome for outcome in outcomes if isinstance(outcome, Posting)]
        assert len(postings) == len(outcomes), outcomes
        return postings

    async def entries(self) -> list[Entry]:
        """All entries."""
        found: list[Entry] = []
        while page := (await self.reading.entries_after(len(found), 1_000)).entries:
            found += page
        return found

    async def audit(
        self,
        *summaries: BatchSummary,
        fault: Fault | None = None,
        own_keys: Sequence[str] = (),
    ) -> Report:
        """The report of an audit. fault: what the donations service fails with after summaries."""

        async def stream() -> AsyncIterator[BatchSummary]:
            for summary in sorted(summaries, key=lambda summary: summary.batch_id):
                yield summary
            if fault is not None:
                raise fault

        return await self.audit_with(stream, own_keys)

    async def audit_with(self, stream: object, own_keys: Sequence[str] = ()) -> Report:
        """As audit, with a stream of the test's own."""
        auditor = Auditor(
            self.snapshots,
            stream,  # type: ignore[arg-type]
            nothing_happened,
            nothing_recorded,
            self._entries_of,
            self.clock,
            own_keys=own_keys,
        )
        results = [result async for result in auditor.run()]
        report = results.pop()
        assert isinstance(report, Report)
        assert report.checks == results
        return report

    async def _entries_of(self, batch_id: str) -> Sequence[Entry]:
        cause = Cause(CauseKind.INTAKE_BATCH, batch_id)
        return (await self.reader.entries(account="", cause=cause, after=0, limit=100)).entries


@dataclass
class Engines:
    """A ledger's connections: its writer's, and those of all who read."""

    writing: AsyncEngine
    large: Engine
    reading: AsyncEngine


@asynccontextmanager
async def open_engines(
    url: str, *, name: str = "test", writer_url: str | None = None
) -> AsyncIterator[Engines]:
    """A ledger's connections until the block ends. writer_url: the writer's way, if another."""
    writing = open_engine(writer_url or url, name=f"{name}-writer", pool_size=2)
    large = open_blocking_engine(writer_url or url, name=f"{name}-writer", pool_size=2)
    reading = open_engine(url, name=name, pool_size=8)
    try:
        yield Engines(writing, large, reading)
    finally:
        await writing.dispose()
        large.dispose()
        await reading.dispose()


@asynccontextmanager
async def open_parts(
    url: str, clock: Clock, *, name: str = "test", **options: Any
) -> AsyncIterator[Parts]:
    """As parts_on, on connections of its own."""
    async with (
        open_engines(url, name=name) as engines,
        parts_on(engines, clock, **options) as parts,
    ):
        yield parts


@asynccontextmanager
async def parts_on(
    engines: Engines,
    clock: Clock,
    *,
    limits: WriterLimits | None = None,
    pace: FeedPace = PACE,
    tenure: Tenure | None = None,
    pause: Pause = asyncio.sleep,
    at_once_max: int = 100,
) -> AsyncIterator[Parts]:
    """A ledger whose writer runs until the block ends.

    tenure: in the first term if None. pause: how the writer waits for company. at_once_max: see
    PostingStore.
    """
    engine = engines.reading
    accounts = AccountIds.on(engine.sync_engine)
    posting = PostingStore(engines.writing, engines.large, at_once_max=at_once_max)
    reading = ReadingStore(engine, accounts)
    feed = Feed(reading, clock, replace(pace))
    writer = Writer(
        posting,
        tenure or FixedTenure(),
        clock,
        limits=limits,
        committed=lambda plan: feed.committed(plan.change()),
        pause=pause,
    )
    snapshots = Snapshots(SnapshotStore(engine, 60.0), 2)
    balance_store = BalanceStore(engine)
    balances = Balances(balance_store.read)
    reader = Reader(reading, balances, snapshots, read_totals_timeout_s=10.0)
    running = asyncio.create_task(writer.run())
    try:
        past = HistoryStore(engine)
        history = History(past, snapshots, clock, read_timeout_s=10.0)
        yield Parts(
            posting,
            writer,
            reading,
            balances,
            reader,
            snapshots,
            past,
            history,
            feed,
            clock,
            running,
        )
    finally:
        running.cancel()
        await asyncio.wait({running})
        await balance_store.close()


async def nothing_happened() -> AsyncIterator[CheckedGifts]:
    """The positions of a donations service whose gifts nothing happened to."""
    for part in ():
        yield part


async def nothing_recorded() -> AsyncIterator[CheckedRecords]:
    """The records of a donations service that recorded nothing but gifts."""
    for part in ():
        yield part
