"""Allocations that are put right, on a real database."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from services.donations.allocation.allocation import (
    Allocated,
    Allocation,
    AllocationOutcome,
    GiftName,
    Suspended,
)
from services.donations.commit.submission import Submission
from services.donations.desks import allocations as allocation_desk
from services.donations.domain import Rail
from services.donations.life.reports import StageEvent
from services.donations.life.transitions import State
from services.donations.proof.positions import check_positions
from services.donations.store.rederiving import LifeReader
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.allocating import allocate
from tests.integration.donations.parts import Parts, write
from tests.integration.donations.test_allocating import desk, done, failing, held, suspend
from tests.integration.donations.test_faults import lose_the_answer
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund

Outcome = AllocationOutcome
AMOUNT = a_gift().amount_micros


def stages(external_id: str, *reached: State) -> Submission:
    """What finance reports of a gift."""
    return Submission(
        stages=[
            StageEvent("weibo", external_id, stage.name, stage, NOW_MICROS) for stage in reached
        ]
    )


async def test_from_one_project_to_another_with_all_that_was_booked(parts: Parts) -> None:
    await suspend(parts, "1")
    await write(
        parts,
        parts.writers[0],
        Submission(refunds=[a_refund("r1", external_id="1", amount_micros=10)]),
    )
    assert await allocate(parts, [("weibo", "1")], "books") == [Outcome.ALLOCATED]
    await write(parts, parts.writers[1], stages("1", State.SETTLED))
    assert await allocate(parts, [("weibo", "1")], "water", again=True) == [Outcome.ALLOCATED]
    await write(
        parts,
        parts.writers[0],
        Submission(refunds=[a_refund("r2", external_id="1", amount_micros=20)]),
    )
    assert await held(parts) == {
        "partner/weibo/settled CNY": AMOUNT - 30,
        "project/water/fund CNY": 30 - AMOUNT,
    }
    gift = await parts.reader.life("weibo", await parts.catalog.partner_id("weibo"), "1")
    assert gift is not None
    assert [one.project for one in gift.allocations] == ["books", "water"]
    assert gift.allocation == gift.allocations[-1]
    assert not gift.suspended


async def test_back_into_suspense_and_out_again(parts: Parts) -> None:
    await suspend(parts, "1", "2")
    named = [("weibo", "1"), ("weibo", "2")]
    await allocate(parts, named)
    assert await allocate(parts, named[:1], "", again=True) == [Outcome.ALLOCATED]
    assert await held(parts) == {
        "partner/weibo/claimed CNY": 2 * AMOUNT,
        "partner/weibo/suspense CNY": -AMOUNT,
        "project/books/fund CNY": -AMOUNT,
    }
    gift = await parts.reader.gift("weibo", await parts.catalog.partner_id("weibo"), "1")
    assert gift is not None
    assert (gift.suspended, gift.allocation) == (True, None)
    # It is found among what stands there, and no other is.
    kind = Allocation("water", Suspended("weibo", "lost"))
    found = await done(desk(parts), kind, uuid4())
    assert (found.counts, found.sums) == ({Outcome.ALLOCATED: 1}, {"CNY": AMOUNT})
    assert (await held(parts))["project/water/fund CNY"] == -AMOUNT
    assert await parts.query("SELECT * FROM suspense_sums") == []


@pytest.mark.parametrize(
    ("reached", "outcome"),
    [
        ((), Outcome.ALLOCATED),
        ((State.SETTLED,), Outcome.ALLOCATED),
        # Reported, and not booked: what comes before it was not reported.
        ((State.RECEIVED,), Outcome.ALLOCATED),
        ((State.SETTLED, State.RECEIVED), Outcome.PAID_OUT),
        ((State.SETTLED, State.RECEIVED, State.SPENT), Outcome.PAID_OUT),
    ],
)
async def test_what_the_charity_has_stays_there(
    parts: Parts, reached: tuple[State, ...], outcome: Outcome
) -> None:
    await suspend(parts, "1")
    await allocate(parts, [("weibo", "1")])
    await write(parts, parts.writers[0], stages("1", *reached))
    before = await held(parts)
    for project in ("water", ""):
        assert await allocate(parts, [("weibo", "1")], project, again=True) == [outcome]
        if outcome is Outcome.PAID_OUT:
            assert await held(parts) == before
        else:
            assert await held(parts) != before
            await allocate(parts, [("weibo", "1")], "books", again=True)


async def test_what_was_not_allocated_by_hand_is_refused(parts: Parts) -> None:
    await suspend(parts, "lost", "there", "gone")
    await write(parts, parts.writers[0], Submission(gifts=[a_gift("named")]))
    await allocate(parts, [("weibo", "there"), ("weibo", "gone")], "water")
    refund = a_refund(external_id="gone", amount_micros=AMOUNT)
    await write(parts, parts.writers[0], Submission(refunds=[refund]))
    names = [("weibo", name) for name in ("lost", "there", "gone", "named", "never")]
    before = await held(parts)
    assert await allocate(parts, names, "water", again=True) == [
        Outcome.NOT_ALLOCATED,
        Outcome.ALLOCATED_BEFORE,
        Outcome.REFUNDED,
        Outcome.NOT_SUSPENDED,
        Outcome.NOT_FOUND,
    ]
    assert await held(parts) == before
    # And a first allocation leaves what has one.
    assert await allocate(parts, [("weibo", "there")], "books") == [Outcome.ALLOCATED_BEFORE]


async def test_what_another_report_counts_is_left(parts: Parts) -> None:
    await suspend(parts, "4200", partner="tencent")
    await allocate(parts, [("tencent", "4200")])
    origin = a_gift("order", partner="bytedance", rail=Rail("tencent", "4200"))
    await write(parts, parts.writers[0], Submission(gifts=[origin]))
    found = await allocate(parts, [("tencent", "4200")], "water", again=True)
    assert found == [Outcome.COUNTED_ELSEWHERE]
    await held(parts)


async def test_all_of_a_project_or_of_one_request(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allocation_desk, "STEP_GIFTS", 4)
    monkeypatch.setattr("services.donations.store.suspense.LOOK", 3)
    await suspend(parts, *(f"a{n}" for n in range(10)), project="one")
    await suspend(parts, *(f"b{n}" for n in range(10)), project="two")
    first, second = uuid4(), uuid4()
    for request, kind in ((first, "one"), (second, "two")):
        found = await done(desk(parts), Allocation("books", Suspended("weibo", kind)), request)
        assert found.counts == {Outcome.ALLOCATED: 10}
    wrong = Allocation("water", Allocated("weibo", "books", first), again=True)
    *_, shown = [step async for step in desk(parts).preview(wrong)]
    request = uuid4()
    moved = await done(desk(parts), wrong, request)
    assert (moved.counts, moved.sums) == (shown.counts, shown.sums)
    assert (moved.counts, moved.sums) == ({Outcome.ALLOCATED: 10}, {"CNY": 10 * AMOUNT})
    assert await done(desk(parts), wrong, request) == moved, "the same request does nothing more"
    found = await done(desk(parts), wrong, uuid4())
    assert found.counts == {}, "the request has none of them any more"
    back = Allocation("", Allocated("weibo", "books"), again=True)
    assert (await done(desk(parts), back, uuid4())).counts == {Outcome.ALLOCATED: 10}
    assert await held(parts) == {
        "partner/weibo/claimed CNY": 20 * AMOUNT,
        "project/water/fund CNY": -10 * AMOUNT,
        "partner/weibo/suspense CNY": -10 * AMOUNT,
    }


async def test_decisions_about_the_same_gifts_at_once(parts: Parts) -> None:
    ids = [str(number) for number in range(20)]
    await suspend(parts, *ids)
    named = [("weibo", external_id) for external_id in ids]
    await allocate(parts, named)
    refunds = [a_refund(external_id=external_id, amount_micros=10) for external_id in ids]
    await asyncio.gather(
        allocate(parts, named, "water", again=True),
        allocate(parts, named[::-1], "", again=True),
        allocate(parts, named, "books", again=True),
        write(parts, parts.writers[1], Submission(refunds=refunds)),
        write(
            parts, parts.writers[0], *(stages(external_id, State.SETTLED) for external_id in ids)
        ),
    )
    found = await held(parts)
    assert sum(found.values()) == 0
    assert "partner/weibo/allocated CNY" not in found


async def test_a_commit_whose_answer_was_lost(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.commit.lane._RETRY_PAUSES_S", (0.0,) * 3)
    await suspend(parts, "1")
    await allocate(parts, [("weibo", "1")])
    named = Allocation("water", [GiftName("weibo", "1")], again=True)
    request = uuid4()
    async with failing(parts, lose_the_answer) as committer:
        found = await done(desk(parts, committer), named, request)
    assert found.outcomes == [Outcome.ALLOCATED]
    assert await done(desk(parts), named, request) == found
    assert len(await parts.query("SELECT * FROM reallocated")) == 1
    await held(parts)


@pytest.mark.parametrize("first_move", ["first_move - 1", "first_move + 1", "1", "9"])
async def test_the_audit_knows_with_which_move_a_decision_begins(
    parts: Parts, urls: DatabaseUrls, first_move: str
) -> None:
    await suspend(parts, "1")
    await allocate(parts, [("weibo", "1")])
    await allocate(parts, [("weibo", "1")], "water", again=True)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(f"UPDATE reallocated SET first_move = {first_move}".encode())
    found: list[Any] = []
    async for checked in check_positions(LifeReader(parts.engine)):
        found += checked.differences
    assert "decision 2 about it begins with its move" in found[0].detail
