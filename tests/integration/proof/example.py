"""An intake and a ledger in which every table has a row, and the audit of both, without a wire."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import uuid4

from services.donations.allocation.allocation import AllocationOutcome
from services.donations.catalog.certificates import Certificate
from services.donations.catalog.memory import Campaign, Charity
from services.donations.commit.submission import StreamPosition, Submission, Watermark
from services.donations.domain import Outcome, Rail
from services.donations.donors.donor import Purpose, Reading, Sealed, WrappedKey, donor_key
from services.donations.life.reports import Dispute, DisputeStatus, StageEvent
from services.donations.life.transitions import State
from services.donations.pledges.evaluation import given_micros
from services.donations.pledges.orders import gifts_of
from services.donations.pledges.pledge import Pledge, PledgedOrder, Share
from services.donations.proof.positions import check_positions
from services.donations.proof.records import check_records
from services.donations.review.reviewed import Replay
from services.donations.store.donors import DonorStore
from services.donations.store.pledges import PledgeStore
from services.donations.store.proving import ProofReader
from services.donations.store.quarantine import QuarantinedNotice, QuarantineStore
from services.donations.store.rederiving import LifeReader
from services.donations.store.review import ReviewStore
from services.donations.wire import convert as donations_convert
from services.ledger.audit.auditor import Auditor, Report
from services.ledger.audit.batches import BatchSummary, check_batches
from services.ledger.audit.check import Check
from services.ledger.audit.positions import CheckedGifts
from services.ledger.audit.positions import check_positions as check_positions_told
from services.ledger.audit.records import CheckedRecords
from services.ledger.audit.records import check_records as check_records_told
from services.ledger.domain import Cause, CauseKind, Entry, EntryDraft
from services.ledger.wire import convert as ledger_convert
from services.ledger.wire.convert_drafts import draft_of
from services.runtime.errors import Reason
from tests.integration.donations.allocating import allocate
from tests.integration.donations.parts import Parts, write
from tests.integration.ledger.parts import Parts as LedgerParts
from tests.unit.donations.gifts import NOW, NOW_MICROS, a_gift, a_refund

TOKEN = b"0123456789abcdef"


async def fill_intake(parts: Parts) -> None:
    """Records something of every kind, in transactions of their own; posts nothing."""
    await _decide(parts)
    await _record(parts)
    await _allocate(parts)
    await _put_aside(parts)


async def _decide(parts: Parts) -> None:
    catalog = parts.catalog_store
    await catalog.create_charity(Charity("fund", "Fund", "91330100799655058B"), NOW)
    certificate = Certificate(date(2019, 1, 1), date(2020, 12, 31), "C-1")
    await catalog.add_certificate("fund", certificate, NOW)
    campaign = Campaign(
        "york", "York", NOW - timedelta(days=1), NOW + timedelta(days=1), "America/New_York"
    )
    await catalog.create_campaign(campaign, NOW)
    await parts.catalog.refresh()


async def _record(parts: Parts) -> None:
    origin = a_gift("order-1", partner="bytedance", rail=Rail("tencent", "4200"), amount_micros=100)
    submissions = [
        Submission(gifts=[a_gift(donor_token=TOKEN, campaign="week")]),
        Submission(refunds=[a_refund()]),
        Submission(gifts=[a_gift("settled")], stages=[_stage("settled", State.SETTLED)]),
        Submission(
            disputes=[
                Dispute(
                    "weibo", "settled", "d1", DisputeStatus.OPENED, 5, "CNY", NOW_MICROS - 1_000_000
                )
            ]
        ),
        Submission(gifts=[a_gift("4200", partner="tencent", amount_micros=100)]),
        Submission(gifts=[origin]),
        Submission(gifts=[a_gift("here"), a_gift("there", campaign="york")]),
        Submission(refunds=[a_refund(external_id="there")]),
        Submission(gifts=[a_gift("suspended", project="unheard-of", campaign="unknown")]),
        Submission(refunds=[a_refund(external_id="never-comes")]),
        Submission(gifts=[replace(a_gift(donor_token=TOKEN), amount_micros=7)]),
        Submission(
            gifts=[a_gift("streamed")],
            position=StreamPosition("weibo", "s1", 7),
            watermark=Watermark("weibo", NOW - timedelta(hours=1)),
        ),
    ]
    for submission in submissions:
        await write(parts, parts.writers[0], submission)
    await _buy(parts)


async def _allocate(parts: Parts) -> None:
    """With all that makes a difference: a refund before, another zone, and a stage after."""
    gifts = [a_gift("lost", project="watr", campaign="york"), a_gift("left", project="watr")]
    refund = a_refund(external_id="lost", amount_micros=10)
    await write(parts, parts.writers[0], Submission(gifts=gifts, refunds=[refund]))
    names = [("weibo", "lost"), ("weibo", "never-comes")]
    assert await allocate(parts, names) == [
        AllocationOutcome.ALLOCATED,
        AllocationOutcome.NOT_FOUND,
    ]
    settled = Submission(stages=[_stage("lost", State.SETTLED)])
    await write(parts, parts.writers[0], settled)
    # And once more: from one project to another, with what was settled and refunded.
    again = [("weibo", "lost"), ("weibo", "left")]
    assert await allocate(parts, again, "water", again=True) == [
        AllocationOutcome.ALLOCATED,
        AllocationOutcome.NOT_ALLOCATED,
    ]


def _stage(external_id: str, stage: State) -> StageEvent:
    return StageEvent("weibo", external_id, "line-1", stage, NOW_MICROS - 2_000_000)


async def _buy(parts: Parts) -> None:
    store = PledgeStore(parts.engine)
    partner_id = await parts.catalog.partner_id("weibo")
    shares = (Share("water", 2), Share("books", 1))
    start = NOW_MICROS - 1_000_000_000
    pledge = Pledge(
        "weibo", "spring", 1, 3_000, 0, "CNY", shares, "week", start, None, 10_000, TOKEN
    )
    await store.add(partner_id, [pledge], NOW)
    [kept] = (await store.versions("weibo", partner_id, ["spring"]))["spring"]
    await store.end(kept, NOW_MICROS + 3_600_000_000, NOW)
    paid = 1_999_990_000
    order = PledgedOrder(
        "weibo", "A1", kept.id, paid, given_micros(kept, paid), NOW_MICROS - 1, TOKEN
    )
    gifts = gifts_of(kept, order)
    submission = Submission(gifts=gifts, orders=[order], gift_orders=[0] * len(gifts))
    await write(parts, parts.writers[0], submission)


async def _put_aside(parts: Parts) -> None:
    """What makes no batch, and what is personal."""
    notice = QuarantinedNotice(
        "weibo", Reason.SIGNATURE_INVALID, "forged", NOW, "POST", "a=b", {"host": "x"}, b"body"
    )
    await QuarantineStore(parts.engine).keep([notice])
    replay = Replay(str(uuid4()), "finance/local", NOW, [Outcome.ACCEPTED], None, "taken in")
    await ReviewStore(parts.engine).keep_replay(notice.digest(), replay)
    donors = DonorStore(parts.engine)
    partner_id = await parts.catalog.partner_id("weibo")
    known, gone = donor_key(partner_id, TOKEN), donor_key(partner_id, b"another-donor---")
    await donors.put(known, lambda _: Sealed(WrappedKey("1", b"key"), b"content", NOW, NOW))
    reading = Reading("finance/local", Purpose.RECEIPT, "R-1", str(uuid4()))
    await donors.read(known, reading, NOW)
    await donors.erase(gone, "partner/weibo", NOW)


async def post(parts: Parts, ledger: LedgerParts, *, but: int = 0) -> None:
    """Posts the batches, all but so many of the last, as the relay does."""
    due = await parts.outbox.due(parts.clock(), 1_000)
    zones = await parts.outbox.zones()
    for batch in due[: len(due) - but]:
        drafts = [draft_of(entry) for entry in donations_convert.entries_of(batch, zones)]
        assert all(isinstance(draft, EntryDraft) for draft in drafts), drafts
        posted = await ledger.post_all(*drafts)  # type: ignore[arg-type]  # asserted
        await parts.outbox.acknowledge({batch.id: posted[0].sequence})


@dataclass
class Both:
    """An intake and a ledger."""

    parts: Parts
    ledger: LedgerParts

    async def audit(self) -> Report:
        """RunAudit."""
        auditor = Auditor(
            self.ledger.snapshots,
            self._summaries,
            self._positions,
            self._records,
            self._entries_of,
            self.parts.clock,
            own_keys=[],
        )
        results = [result async for result in auditor.run()]
        report = results.pop()
        assert isinstance(report, Report)
        return report

    async def checks(self) -> list[Check]:
        """The checks of an audit that look into intake's database."""
        async with self.ledger.snapshots.take() as books:
            return [
                await check_positions_told(self._positions),
                await check_records_told(self._records),
                await check_batches(books, self._summaries, self._entries_of),
            ]

    async def _summaries(self) -> AsyncIterator[BatchSummary]:
        async for summary in self.parts.batches.summaries(None):
            yield ledger_convert.batch_summary_of(donations_convert.summary_message(summary))

    async def _positions(self) -> AsyncIterator[CheckedGifts]:
        async for part in check_positions(LifeReader(self.parts.engine)):
            differences = [f"{each.external_id}: {each.detail}" for each in part.differences]
            yield CheckedGifts(part.gifts, differences)

    async def _records(self) -> AsyncIterator[CheckedRecords]:
        async for part in check_records(ProofReader(self.parts.engine)):
            differences = [f"{part.table}: {difference}" for difference in part.differences]
            yield CheckedRecords(part.rows, part.unsealed, differences)

    async def _entries_of(self, batch_id: str) -> list[Entry]:
        cause = Cause(CauseKind.INTAKE_BATCH, batch_id)
        page = await self.ledger.reader.entries(account="", cause=cause, after=0, limit=100)
        return list(page.entries)
