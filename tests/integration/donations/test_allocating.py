"""Steps of allocations on a real database: at once, among others' commits, and when it fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.donations.allocation.allocation import (
    Allocation,
    AllocationOutcome,
    GiftName,
    Progress,
    Suspended,
)
from services.donations.catalog.certificates import Certificate
from services.donations.catalog.memory import Charity, Project
from services.donations.commit import booking
from services.donations.commit.committer import Committer
from services.donations.commit.submission import Submission
from services.donations.desks import allocations as allocation_desk
from services.donations.desks.allocations import AllocationDesk
from services.donations.domain import Rail, SuspenseReason, moment_of
from services.donations.gifts.columns import columns_of
from services.donations.proof.positions import check_positions
from services.donations.proof.records import check_records
from services.donations.store import positions
from services.donations.store.allocations import AllocationStore
from services.donations.store.proving import ProofReader
from services.donations.store.rederiving import LifeReader
from services.donations.store.suspense import StandingPlace, SuspenseReader
from services.donations.wire.convert_allocation import suspense_messages
from tests.integration.donations.allocating import allocate
from tests.integration.donations.canonical import balances
from tests.integration.donations.parts import DECIDER, Parts, write
from tests.integration.donations.test_faults import FailingLane, Then, lose_the_answer
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund

Outcome = AllocationOutcome
AMOUNT = a_gift().amount_micros
KIND = Allocation("books", Suspended("weibo", "lost"))


def desk(parts: Parts, committer: Committer | None = None) -> AllocationDesk:
    store, suspense = AllocationStore(parts.engine), SuspenseReader(parts.engine)
    return AllocationDesk(committer or parts.committer, parts.catalog, store, suspense, parts.clock)


async def done(made: AllocationDesk, allocation: Allocation, request: UUID) -> Progress:
    *_, last = [step async for step in made.allocate(request, allocation, "finance/anna")]
    assert last.is_done
    return last


async def suspend(parts: Parts, *ids: str, **changes: Any) -> None:
    await parts.catalog.refresh()
    gifts = [a_gift(external_id, **({"project": "lost"} | changes)) for external_id in ids]
    await write(parts, parts.writers[0], Submission(gifts=gifts))


async def held(parts: Parts) -> dict[str, int]:
    """What all accounts hold, after everything was found as it should be."""
    await parts.require_balanced()
    async for checked in check_positions(LifeReader(parts.engine)):
        assert checked.differences == []
    async for proved in check_records(ProofReader(parts.engine)):
        assert proved.differences == []
    batches = await parts.outbox.due(parts.clock(), 1_000)
    return dict(balances(line for batch in batches for line in batch.lines))


async def test_one_request_from_two_sides_at_once_is_done_once(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allocation_desk, "STEP_GIFTS", 3)
    await suspend(parts, *map(str, range(20)))
    request = uuid4()
    both = await asyncio.gather(*(done(desk(parts), KIND, request) for _ in range(2)))
    assert both[0] == both[1]
    assert both[0].counts == {Outcome.ALLOCATED: 20}
    assert both[0].sums == {"CNY": 20 * AMOUNT}
    rows = await parts.query("SELECT number FROM allocation_steps ORDER BY number")
    assert [row.number for row in rows] == list(range(1, both[0].steps + 1))
    assert await held(parts) == {
        "partner/weibo/claimed CNY": 20 * AMOUNT,
        "project/books/fund CNY": -20 * AMOUNT,
    }


async def test_two_requests_for_the_same_gifts_at_once(parts: Parts) -> None:
    await suspend(parts, *map(str, range(50)))
    named = [("weibo", str(number)) for number in range(50)]
    found = await asyncio.gather(
        allocate(parts, named, "books"), allocate(parts, named[::-1], "water")
    )
    assert {outcome for outcomes in found for outcome in outcomes} <= {
        Outcome.ALLOCATED,
        Outcome.ALLOCATED_BEFORE,
    }
    assert sum(outcomes.count(Outcome.ALLOCATED) for outcomes in found) == 50
    assert sum((await held(parts)).values()) == 0


async def test_refunds_that_come_at_the_same_time(parts: Parts) -> None:
    ids = list(map(str, range(30)))
    await suspend(parts, *ids)
    refunds = [a_refund(external_id=external_id, amount_micros=10) for external_id in ids]
    await asyncio.gather(
        allocate(parts, [("weibo", external_id) for external_id in ids]),
        *(write(parts, parts.writers[n % 2], Submission(refunds=refunds[n::2])) for n in (0, 1)),
    )
    left = 30 * (AMOUNT - 10)
    assert await held(parts) == {
        "partner/weibo/claimed CNY": left,
        "project/books/fund CNY": -left,
    }


async def test_a_link_that_comes_meanwhile(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bulk, which locks nothing: the step is begun anew, and finds that another one counts."""
    await suspend(parts, "4200", partner="tencent")
    origin = a_gift("order", partner="bytedance", rail=Rail("tencent", "4200"))
    many = [replace(origin, external_id=f"other-{n}", rail=None) for n in range(300)]
    coming = [Submission(columns=columns_of([origin, *many]))]

    async def lock(*arguments: Any) -> None:
        await positions.lock(*arguments)
        while coming:
            await write(parts, parts.writers[1], coming.pop())

    class Meanwhile:
        def __getattr__(self, name: str) -> Any:
            return lock if name == "lock" else getattr(positions, name)

    monkeypatch.setattr(booking, "positions", Meanwhile())
    assert await allocate(parts, [("tencent", "4200")]) == [Outcome.COUNTED_ELSEWHERE]
    assert not coming
    await parts.sweeper.sweep()
    assert "project/books/fund CNY" not in await held(parts)


async def test_the_catalog_of_the_database_decides(parts: Parts) -> None:
    """Another process has closed the project just now, for gifts of the last hour."""
    await suspend(parts, "1")
    await parts.catalog.refresh()
    gone = moment_of(NOW_MICROS - 3_600_000_000)
    await parts.catalog_store.close_project("books", gone, DECIDER, gone - timedelta(days=1))
    assert await allocate(parts, [("weibo", "1")]) == [Outcome.PROJECT_CLOSED]


async def test_a_certificate_that_is_entered_late(parts: Parts) -> None:
    now = parts.clock()
    await parts.catalog_store.create_charity(Charity("love", "Love", "51100000500000000X"), now)
    await parts.catalog_store.create_project(Project("tree", "Tree", "love"), DECIDER, now)
    await suspend(parts, "1", project="tree")
    named = Allocation("tree", Suspended("weibo", reason=SuspenseReason.CHARITY_NOT_QUALIFIED))
    first = await done(desk(parts), named, uuid4())
    assert first.counts == {Outcome.CHARITY_NOT_QUALIFIED: 1}
    certificate = Certificate(date(2019, 1, 1), date(2019, 12, 31), "A-1")
    await parts.catalog_store.add_certificate("love", certificate, now)
    assert (await done(desk(parts), named, uuid4())).counts == {Outcome.ALLOCATED: 1}
    await held(parts)


async def test_kinds(parts: Parts) -> None:
    """By code, by reason, by both; a gift that names no project has the empty code."""
    await suspend(parts, "none-1", "none-2", project="")
    await suspend(parts, "lost-1")
    await suspend(parts, "past-1", project="water", campaign="past")
    await suspend(parts, "other-1", partner="xiaomi")

    async def preview(**kind: Any) -> int:
        wanted = Allocation("books", Suspended("weibo", **kind), without_campaign=True)
        *_, last = [step async for step in desk(parts).preview(wanted)]
        return last.counts.get(Outcome.ALLOCATED, 0)

    assert await preview(project="") == 2
    assert await preview(project="lost") == 1
    assert await preview(reason=SuspenseReason.PROJECT_MISSING) == 2
    assert await preview(reason=SuspenseReason.CAMPAIGN_NOT_OPEN) == 1
    assert await preview(project="lost", reason=SuspenseReason.PROJECT_MISSING) == 0
    assert await preview(project="never") == 0
    assert await parts.query("SELECT * FROM allocations") == []


async def test_few_of_a_kind_among_many_others(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little is looked at in a step, all are found, each once."""
    monkeypatch.setattr("services.donations.store.suspense.LOOK", 7)
    await suspend(parts, *(f"{n:03}" for n in range(60)), project="other")
    await suspend(parts, *(f"{n:03}x" for n in range(0, 60, 13)))
    found = await done(desk(parts), KIND, uuid4())
    assert found.counts == {Outcome.ALLOCATED: 5}
    assert found.steps > 5


async def test_sums_that_no_message_can_hold(parts: Parts) -> None:
    """Ten thousand gifts of the greatest amount: an attack or a defect, and is to be seen."""
    most = [a_gift(f"{n:05}", project="lost", amount_micros=10**15) for n in range(10_000)]
    for start in range(0, len(most), 5_000):
        columns = columns_of(most[start : start + 5_000])
        await write(parts, parts.writers[0], Submission(columns=columns))
    reader = SuspenseReader(parts.engine)
    [kind] = await reader.standing(None, StandingPlace(), 10)
    assert kind.micros == 10**19
    [message] = suspense_messages([kind])
    assert message.amount.micros == 2**63 - 1
    assert (await done(desk(parts), KIND, uuid4())).sums == {"CNY": 10**19}


@asynccontextmanager
async def failing(parts: Parts, after: Then) -> AsyncIterator[Committer]:
    """A committer of one lane, whose first transaction ends as it says."""
    lane = FailingLane(parts.engine)
    lane.after = after
    committer = Committer([lane], parts.catalog, parts.clock)
    running = asyncio.create_task(committer.run())
    yield committer
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("refunded", [False, True])
async def test_a_commit_whose_answer_was_lost(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, refunded: bool
) -> None:
    """Whether or not the step has made a batch."""
    monkeypatch.setattr("services.donations.commit.lane._RETRY_PAUSES_S", (0.0,) * 3)
    await suspend(parts, "1")
    if refunded:
        refund = a_refund(external_id="1", amount_micros=AMOUNT)
        await write(parts, parts.writers[0], Submission(refunds=[refund]))
    named = Allocation("books", [GiftName("weibo", "1")])
    request = uuid4()
    async with failing(parts, lose_the_answer) as committer:
        found = await done(desk(parts, committer), named, request)
    outcome = Outcome.REFUNDED if refunded else Outcome.ALLOCATED
    assert found.outcomes == [outcome]
    assert await done(desk(parts), named, request) == found
    assert len(await parts.query("SELECT * FROM allocation_steps")) == 1
    await held(parts)
