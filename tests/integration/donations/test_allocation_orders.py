"""Allocations at any point among the reports, in any order and grouping: the same books.

Which gifts an allocation finds in suspense depends on what was there before it, and so does which
it may allocate anew. Those that one run has allocated in the end are allocated in the other as soon
as they are there, once, to where they came in the end; then the books are equal.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.donations.allocation.allocation import AllocationOutcome
from services.donations.commit.submission import Submission
from services.donations.domain import Gift
from services.donations.proof.positions import check_positions
from services.donations.store.rederiving import LifeReader
from tests.integration.donations import test_orders, test_platform_orders
from tests.integration.donations.allocating import Named, allocate
from tests.integration.donations.canonical import canonical, forget_earlier
from tests.integration.donations.conftest import forget_now_and_then
from tests.integration.donations.kept_sums import misfits
from tests.integration.donations.parts import Parts, write
from tests.integration.donations.test_orders import ORIGINS, RAILS, Message
from tests.integration.donations.test_platform_orders import IDS, Told
from tests.support.emptying import Emptier
from tests.unit.donations.platforms.senders import SENDERS

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

IN_SUSPENSE = {"a", "c", "x", "y"}
PLATFORM_GIFTS = [(sender.code, external_id) for sender in SENDERS for external_id in IDS]


class Choice(NamedTuple):
    """A decision: a gift, and to which project, or again into suspense; and whether anew."""

    name: Named
    project: str
    again: bool


Rounds = Sequence[Sequence[Sequence[Callable[[str], Submission]]]]
"""What is submitted at once on each lane, given the mark of the run's ids."""


def report(message: Message) -> Callable[[str], Submission]:
    """Of gifts some name a project that nobody knows, and a campaign that was over."""
    if isinstance(message, Gift) and message.external_id in IN_SUSPENSE:
        message = replace(message, project="late", campaign="past")
    return lambda mark: test_orders.submission(test_orders.marked(message, mark))


def notice(told: Told) -> Callable[[str], Submission]:
    def made(mark: str) -> Submission:
        submission = test_platform_orders.submission(told, mark)
        gifts = [replace(gift, project="late") for gift in submission.gifts]
        return replace(submission, gifts=gifts)

    return made


@pytest.mark.property
@shared
@given(messages=test_orders.messages, chance=st.randoms(use_true_random=False))
async def test_allocations_among_reports(
    parts: Parts, emptier: Emptier, messages: list[Message], chance: random.Random
) -> None:
    forget_now_and_then(emptier)
    again = [*messages, *chance.choices(messages, k=3)]
    chance.shuffle(again)
    rounds = [
        [list(map(report, lane)) for lane in lanes] for lanes in test_orders.grouped(again, chance)
    ]
    gifts = ORIGINS + RAILS
    found, allocated = await run(parts, rounds, gifts, chance)
    of = {(m.partner, m.external_id): report(m) for m in messages if isinstance(m, Gift)}
    first = [(of[name], name, project) for name, project in allocated.items() if project]
    assert await run_straight(parts, first, list(map(report, messages)), gifts) == found


@pytest.mark.property
@shared
@given(told=test_platform_orders.messages, chance=st.randoms(use_true_random=False))
async def test_allocations_among_all_platforms_messages(
    parts: Parts, emptier: Emptier, told: list[Told], chance: random.Random
) -> None:
    forget_now_and_then(emptier)
    again = [*told, *chance.choices(told, k=3)]
    chance.shuffle(again)
    rounds = [
        [list(map(notice, lane)) for lane in lanes]
        for lanes in test_platform_orders.dealt(again, chance)
    ]
    found, allocated = await run(parts, rounds, PLATFORM_GIFTS, chance)
    # Some tell of the gift in notices of refunds, too.
    of = {(t.sender.code, t.external_id): notice(t) for t in told if notice(t)("").gifts}
    first = [(of[name], name, project) for name, project in allocated.items() if project]
    assert await run_straight(parts, first, list(map(notice, told)), PLATFORM_GIFTS) == found


async def run(
    parts: Parts, rounds: Rounds, gifts: Sequence[Named], chance: random.Random
) -> tuple[str, Mapping[Named, str]]:
    """Records reports, round after round, and allocates some gifts at the same time, also anew.

    Returns a dump of the books, and where the gifts that were allocated have come.
    """
    mark = next(test_orders.marks)
    await forget_earlier(parts)
    allocated: dict[Named, str] = {}
    # Chosen before any is written: an example that runs out of chance must not end between two.
    chosen = [_choices(gifts, chance) for _ in rounds]
    for lanes, choices in zip(rounds, chosen, strict=True):
        async with asyncio.TaskGroup() as all_of_them:
            for writer, lane in zip(parts.writers, lanes, strict=False):
                if lane:
                    all_of_them.create_task(write(parts, writer, *(make(mark) for make in lane)))
            all_of_them.create_task(_allocate(parts, choices, mark, allocated))
    return await _dump(parts, gifts, mark), allocated


def _choices(gifts: Sequence[Named], chance: random.Random) -> Sequence[Choice]:
    """Some gifts are allocated, and of those some, or of an earlier round's, anew."""
    chosen = []
    for name in chance.sample(gifts, k=chance.randint(0, 5)):
        if chance.random() < 0.8:
            chosen.append(Choice(name, "books", again=False))
        projects = chance.choices(["water", "books", ""], k=chance.randint(0, 2))
        chosen += [Choice(name, project, again=True) for project in projects]
    return chosen


async def run_straight(
    parts: Parts,
    first: Sequence[tuple[Callable[[str], Submission], Named, str]],
    rest: Sequence[Callable[[str], Submission]],
    gifts: Sequence[Named],
) -> str:
    """Records gifts, each allocated at once, then all else; and dumps what comes of it."""
    mark = next(test_orders.marks)
    await forget_earlier(parts)
    for make, name, project in first:
        alone = replace(make(mark), refunds=(), disputes=())
        await write(parts, parts.writers[0], alone)
        done: dict[Named, str] = {}
        await _allocate(parts, [Choice(name, project, again=False)], mark, done)
        assert done == {name: project}
    for make in rest:
        await write(parts, parts.writers[0], make(mark))
    return await _dump(parts, gifts, mark)


async def _allocate(
    parts: Parts, choices: Sequence[Choice], mark: str, done: dict[Named, str]
) -> None:
    """One after the other; keeps in done what was allocated."""
    for name, project, again in choices:
        partner, external_id = name
        [outcome] = await allocate(parts, [(partner, mark + external_id)], project, again=again)
        if outcome is AllocationOutcome.ALLOCATED:
            done[name] = project


async def _dump(parts: Parts, gifts: Sequence[Named], mark: str) -> str:
    while await parts.sweeper.sweep():
        pass
    async for checked in check_positions(LifeReader(parts.engine)):
        assert checked.differences == []
    assert await misfits(parts) == []
    told = {batch.id: batch for batch in await parts.outbox.due(parts.clock(), 10**6)}
    for summary in await parts.summaries():
        if summary.id in told:
            assert sorted(summary.lines) == sorted(told[summary.id].lines)
            assert summary.differences == []
    dump = await canonical(parts, [(of, mark + external_id) for of, external_id in gifts])
    return dump.replace(mark, "")
