"""The check of batches: what the donations service adds up is what the ledger was told, and all.

The ledger's snapshot is taken first. So an entry in it has a batch that the donations service can
already see, while a batch without an entry in it may have been posted since, or not yet.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from services.ledger.audit.check import Check, Findings
from services.ledger.domain import Entry, Purpose, Sums, Transfer
from services.ledger.journal.calendar import calendar_of
from services.ledger.journal.totals import UNMOVED
from services.ledger.store.entries import Unreadable
from services.ledger.store.snapshot import BatchEntry, Snapshot
from services.runtime.errors import Fault

NAME = "batches"
_CHUNK_BATCHES = 200
_CHUNK_LINES = 20_000


class LineKind(IntEnum):
    """What a batch's line sums up; numbered as in the donations service's proto."""

    GIFT = 1
    SUSPENDED_GIFT = 2
    REFUND = 3
    SUSPENDED_REFUND = 4
    JOIN = 5
    SUSPENDED_JOIN = 6
    SETTLEMENT = 7
    RECEIPT = 8
    SPENDING = 9
    SETTLED_REFUND = 10
    DISPUTE = 11
    SETTLED_DISPUTE = 12
    REFUND_BACK = 13
    SUSPENDED_REFUND_BACK = 14
    SETTLEMENT_BACK = 15
    RECEIPT_BACK = 16
    SPENDING_BACK = 17
    SETTLED_REFUND_BACK = 18
    DISPUTE_BACK = 19
    SETTLED_DISPUTE_BACK = 20
    RELEASE = 21
    ALLOCATION = 22
    RELEASE_BACK = 23
    ALLOCATION_BACK = 24


class BatchLine(NamedTuple):
    """The sum of a batch's rows that share all but micros and tally.

    calendar: in which they count; empty for the ledger's own.
    """

    kind: LineKind
    partner: str
    campaign: str
    project: str
    purpose: Purpose
    charity: str
    currency: str
    hour: datetime
    micros: int
    tally: int
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """A batch as the donations service adds it up now. posted: the ledger has acknowledged it.

    posted_sequence: by which entry, as is kept there; 0 if that is not said. differences: what the
    donations service itself found, in words.
    """

    batch_id: str
    gifts: int
    digest: bytes
    lines: Sequence[BatchLine]
    posted: bool
    posted_sequence: int = 0
    differences: Sequence[str] = ()


class Movement(NamedTuple):
    """What a transfer is about, but for its sums."""

    debit: str
    credit: str
    currency: str
    campaign: str
    project: str
    hour: datetime | None
    calendar: str


Summaries = Callable[[], AsyncIterator[BatchSummary]]
"""Begins a stream of all batches by id. Raises Fault if the donations service is away."""

EntriesNow = Callable[[str], Awaitable[Sequence[Entry]]]
"""The entries that a batch has caused by now, outside the snapshot."""


async def check_batches(books: Snapshot, summaries: Summaries, entries_now: EntriesNow) -> Check:
    """Holds every batch against its entry, and every entry of a batch against its batch."""
    comparison = _Comparison(books, entries_now)
    try:
        chunk: list[BatchSummary] = []
        lines = 0
        async for summary in summaries():
            chunk.append(summary)
            lines += len(summary.lines)
            if len(chunk) >= _CHUNK_BATCHES or lines >= _CHUNK_LINES:
                await comparison.compare(chunk)
                chunk, lines = [], 0
        await comparison.compare(chunk)
        await comparison.finish()
    except Fault as fault:
        return comparison.unfinished(fault)
    return comparison.check()


class _Comparison:
    """Walks the batches, and the entries that batches caused, both by the batch's id."""

    def __init__(self, books: Snapshot, entries_now: EntriesNow) -> None:
        self._books = books
        self._entries_now = entries_now
        self._entries = books.batch_entries()
        self._next: BatchEntry | None = None
        self._has_begun = False
        self._findings = Findings()
        self._pending = 0
        self._newer = 0
        self.covered = 0

    def check(self) -> Check:
        """What was found."""
        told = f"all {self.covered:,} batches are in the ledger as their gifts and moves add up"
        if self._newer or self._pending:
            told += (
                f", {self._newer:,} of them posted since the audit began; "
                f"{self._pending:,} more are not posted yet"
            )
        return self._findings.check(NAME, self.covered, told)

    def unfinished(self, fault: Fault) -> Check:
        """What was found before a fault ended it."""
        return self._findings.unfinished(NAME, self.covered, fault)

    async def compare(self, chunk: Sequence[BatchSummary]) -> None:
        """Compares the next batches with the entries up to the last of them."""
        if not chunk:
            return
        sequences = await self._sequences_until(chunk)
        posted: dict[str, list[Entry]] = {}
        wanted = [sequence for found in sequences.values() for sequence in found]
        try:
            async for entry in self._books.entries_at(wanted):
                posted.setdefault(entry.draft.cause.id, []).append(entry)
        except Unreadable as error:
            self._findings.add(str(error))
            return
        for summary in chunk:
            await self._compare_one(summary, posted.get(summary.batch_id, []))

    async def finish(self) -> None:
        """Every entry that is left has no batch."""
        while (entry := await self._peek()) is not None:
            self._without_batch(await self._pop(entry))

    async def _compare_one(self, summary: BatchSummary, entries: Sequence[Entry]) -> None:
        if not entries:
            if not summary.posted:
                self._pending += 1
                self._add(summary, summary.differences)
                return
            entries = await self._entries_now(summary.batch_id)
            if not entries:
                self.covered += 1
                self._findings.add(f"batch {summary.batch_id} is marked posted and has no entry")
                return
            self._newer += 1
        self.covered += 1
        self._add(summary, _differences(summary, entries))

    def _add(self, summary: BatchSummary, differences: Iterable[str]) -> None:
        for difference in differences:
            self._findings.add(f"batch {summary.batch_id}: {difference}")

    async def _sequences_until(self, chunk: Sequence[BatchSummary]) -> dict[str, list[int]]:
        """The entries of the chunk's batches; those in between have no batch."""
        sequences: dict[str, list[int]] = {summary.batch_id: [] for summary in chunk}
        while (entry := await self._peek()) is not None and entry.batch_id <= chunk[-1].batch_id:
            await self._pop(entry)
            if entry.batch_id in sequences:
                sequences[entry.batch_id].append(entry.sequence)
            else:
                self._without_batch(entry)
        return sequences

    def _without_batch(self, entry: BatchEntry) -> None:
        self._findings.add(
            f"entry {entry.sequence} is of batch {entry.batch_id}, which the donations service "
            "does not know"
        )

    async def _peek(self) -> BatchEntry | None:
        if not self._has_begun:
            self._has_begun = True
            self._next = await anext(self._entries, None)
        return self._next

    async def _pop(self, entry: BatchEntry) -> BatchEntry:
        self._next = await anext(self._entries, None)
        return entry


def _differences(summary: BatchSummary, entries: Sequence[Entry]) -> list[str]:
    told = " and ".join(f"entry {entry.sequence}" for entry in entries)
    differences = list(summary.differences)
    if summary.posted_sequence and summary.posted_sequence not in (e.sequence for e in entries):
        differences.append(
            f"it is kept as acknowledged by entry {summary.posted_sequence}, and has {told}"
        )
    for entry in entries:
        stated = (entry.draft.metadata.get("gifts"), entry.draft.metadata.get("digest"))
        if stated != (str(summary.gifts), summary.digest.hex()):
            differences.append(
                f"entry {entry.sequence} states {stated[0]} gifts with digest {stated[1]}, "
                f"and there are {summary.gifts} with digest {summary.digest.hex()}"
            )
    expected = _summed(
        (line.calendar, transfer) for line in summary.lines for transfer in transfers_of_line(line)
    )
    moved = _summed(
        (calendar_of(entry.draft.metadata), transfer)
        for entry in entries
        for transfer in entry.draft.transfers
    )
    for movement in sorted(expected.keys() | moved.keys(), key=str):
        there, here = expected.get(movement, UNMOVED), moved.get(movement, UNMOVED)
        if there != here:
            differences.append(
                f"from {movement.credit} to {movement.debit} in {movement.currency}"
                f"{_in(movement.calendar)} its rows add up to {there.micros:,} ({there.tally:,}), "
                f"and {told} moved {here.micros:,} "
                f"({here.tally:,})"
            )
    return differences


def transfers_of_line(line: BatchLine) -> list[Transfer]:
    """The transfers that a batch's line is posted as; one, or two that meet in an account."""
    appeals = line.purpose is Purpose.APPEAL
    partner = f"partner/{line.partner}"
    claimed, suspense = f"{partner}/claimed", f"{partner}/suspense"
    elsewhere, spent = f"{partner}/elsewhere", f"{partner}/spent"
    allocated = f"{partner}/allocated"
    fund = f"{'appeal' if appeals else 'project'}/{line.project}/fund"
    bank = f"appeal/{line.project}/bank" if appeals else f"charity/{line.charity}/bank"
    settled = f"{partner}/{'appeals-' if appeals else ''}settled"
    disputed = f"{partner}/{'appeals-' if appeals else ''}disputed"
    ways: Mapping[LineKind, tuple[tuple[str, str], ...]] = {
        # What is debited, what is credited.
        LineKind.GIFT: ((claimed, fund),),
        LineKind.SUSPENDED_GIFT: ((claimed, suspense),),
        LineKind.REFUND: ((fund, claimed),),
        LineKind.REFUND_BACK: ((elsewhere, fund), (claimed, elsewhere)),
        LineKind.SUSPENDED_REFUND: ((suspense, claimed),),
        LineKind.SUSPENDED_REFUND_BACK: ((elsewhere, suspense), (claimed, elsewhere)),
        LineKind.JOIN: ((fund, elsewhere), (elsewhere, claimed)),
        LineKind.SUSPENDED_JOIN: ((suspense, elsewhere), (elsewhere, claimed)),
        LineKind.SETTLEMENT: ((settled, claimed),),
        LineKind.SETTLEMENT_BACK: ((claimed, settled),),
        LineKind.RECEIPT: ((bank, settled),),
        LineKind.RECEIPT_BACK: ((settled, bank),),
        LineKind.SPENDING: ((fund, spent), (spent, bank)),
        LineKind.SPENDING_BACK: ((spent, fund), (bank, spent)),
        LineKind.SETTLED_REFUND: ((fund, settled),),
        LineKind.SETTLED_REFUND_BACK: ((settled, fund),),
        LineKind.DISPUTE: ((disputed, claimed),),
        LineKind.DISPUTE_BACK: ((claimed, disputed),),
        LineKind.SETTLED_DISPUTE: ((disputed, settled),),
        LineKind.SETTLED_DISPUTE_BACK: ((settled, disputed),),
        LineKind.RELEASE: ((suspense, allocated),),
        LineKind.ALLOCATION: ((allocated, fund),),
        LineKind.RELEASE_BACK: ((allocated, suspense),),
        LineKind.ALLOCATION_BACK: ((fund, allocated),),
    }
    rest = (line.micros, line.currency, line.campaign, line.project, line.hour, line.tally)
    return [Transfer(debit, credit, *rest) for debit, credit in ways[line.kind]]


def _in(calendar: str) -> str:
    return f", by the days of {calendar}," if calendar else ""


def _summed(transfers: Iterable[tuple[str, Transfer]]) -> dict[Movement, Sums]:
    """transfers: each with the calendar that it counts in."""
    summed: dict[Movement, Sums] = {}
    for calendar, (debit, credit, micros, currency, campaign, project, hour, tally, _) in transfers:
        movement = Movement(debit, credit, currency, campaign, project, hour, calendar)
        before = summed.get(movement, UNMOVED)
        summed[movement] = Sums(before.micros + micros, before.tally + tally)
    return summed
