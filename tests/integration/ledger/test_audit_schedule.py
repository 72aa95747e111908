"""Audits that nobody asked for."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from services.ledger.audit import schedule as audit_schedule
from services.ledger.audit.auditor import Auditor
from services.ledger.audit.batches import BatchSummary
from services.ledger.audit.schedule import AuditSchedule
from services.ledger.domain import Entry
from services.runtime.errors import Fault, Reason
from tests.integration.ledger.parts import Parts, nothing_happened, nothing_recorded
from tests.unit.ledger.drafts import draft


def auditor_of(parts: Parts, *, is_away: bool = False) -> Auditor:
    async def summaries() -> AsyncIterator[BatchSummary]:
        if is_away:
            raise Fault(Reason.DEPENDENCY_UNAVAILABLE, "the donations service is away")
        for none in ():
            yield none

    async def entries_now(_: str) -> Sequence[Entry]:
        return ()

    return Auditor(
        parts.snapshots,
        summaries,
        nothing_happened,
        nothing_recorded,
        entries_now,
        parts.clock,
        own_keys=[],
    )


async def test_one_audit(parts: Parts) -> None:
    await parts.post_all(draft(), draft())
    report = await AuditSchedule(auditor_of(parts), lambda: True, every_s=60).audit()
    assert report is not None
    assert (report.ok, report.head.sequence) == (True, 2)


async def test_what_cannot_be_compared_is_not_ok(parts: Parts) -> None:
    auditor = auditor_of(parts, is_away=True)
    report = await AuditSchedule(auditor, lambda: True, every_s=60).audit()
    assert report is not None
    assert not report.ok


async def test_a_database_that_is_away_does_not_end_it(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> object:
        raise Fault(Reason.QUEUE_FULL, "other audits are under way")

    monkeypatch.setattr(parts.snapshots, "take", away)
    assert await AuditSchedule(auditor_of(parts), lambda: True, every_s=60).audit() is None


@pytest.mark.parametrize("writes", [True, False])
async def test_only_the_ledger_that_writes_audits_and_goes_on(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    asked, audited = asyncio.Queue[None](), asyncio.Queue[None]()
    schedule = AuditSchedule(auditor_of(parts), lambda: _told(asked, writes), every_s=0.01)

    async def audit() -> None:
        audited.put_nowait(None)

    monkeypatch.setattr(audit_schedule, "FIRST_S", 0.01)
    monkeypatch.setattr(schedule, "audit", audit)
    running = asyncio.create_task(schedule.run())
    async with asyncio.timeout(10):
        for _ in range(3):
            await asked.get()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert audited.empty() is not writes


def _told(asked: asyncio.Queue[None], answer: bool) -> bool:
    asked.put_nowait(None)
    return answer
