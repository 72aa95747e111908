"""When the database fails in the middle: the same reports again make the same books."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from services.donations.commit.group import gather
from services.donations.commit.lane import LaneWriter
from services.donations.commit.submission import Submission
from services.donations.domain import Outcome
from services.donations.store.driver import Driver
from services.donations.store.lane import Lane
from services.runtime.database import OutcomeUnknown, fault_of
from services.runtime.errors import Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.parts import Parts
from tests.unit.donations.gifts import a_gift, a_refund

Then = Callable[[Driver], Awaitable[None]]


class FailingLane(Lane):
    """Lets a test act right before, or right after, the next commit. plainly: how many groups went
    in one statement.
    """

    plainly = 0

    before: Then | None = None
    after: Then | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Driver]:
        before, self.before = self.before, None
        async with super().transaction() as driver:
            yield driver
            if before is not None:
                await before(driver)
        after, self.after = self.after, None
        if after is not None:
            await after(driver)

    async def execute(self, statement: bytes, values: Sequence[object]) -> int:
        before, self.before = self.before, None
        if before is not None:
            await before(await self._open())
        self.plainly += 1
        rows = await super().execute(statement, values)
        after, self.after = self.after, None
        if after is not None:
            await after(await self._open())
        return rows


def kill(urls: DatabaseUrls) -> Then:
    """Ends the server's side of a connection."""

    async def act(driver: Driver) -> None:
        async with await psycopg.AsyncConnection.connect(urls.service) as other:
            await other.execute("SELECT pg_terminate_backend(%s)", [driver.info.backend_pid])

    return act


async def lose_the_answer(_driver: Driver) -> None:
    """The commit succeeded, and nobody heard of it."""
    raise OutcomeUnknown("the connection broke during the commit")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries do not pause."""
    monkeypatch.setattr("services.donations.commit.lane._RETRY_PAUSES_S", (0.0,) * 3)


def failing(parts: Parts, **acts: Any) -> LaneWriter:
    lane = FailingLane(parts.engine)
    for name, act in acts.items():
        setattr(lane, name, act)
    original = parts.writers[0]
    return LaneWriter(lane, parts.clock, original._make_id)


both = Submission(gifts=[a_gift("a"), a_gift("b")], refunds=[a_refund(external_id="a")])


@pytest.mark.usefixtures("quick")
async def test_a_connection_that_breaks_before_the_commit_is_replaced(
    parts: Parts, urls: DatabaseUrls
) -> None:
    writer = failing(parts, before=kill(urls))
    [result] = (await writer.write(await gather([both], parts.catalog))).results
    assert result.outcomes.tolist() == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert result.refunds[0].outcome is Outcome.ACCEPTED
    assert len(await parts.summaries()) == 1
    await parts.require_balanced()
    await writer.close()


@pytest.mark.usefixtures("quick")
async def test_a_commit_whose_answer_was_lost_is_recognised(parts: Parts) -> None:
    writer = failing(parts, after=lose_the_answer)
    recorded = await writer.write(await gather([both], parts.catalog))
    assert recorded.results[0].outcomes.tolist() == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    [batch] = await parts.summaries()
    assert batch.id == recorded.batch_id
    await parts.require_balanced()
    await writer.close()


@pytest.mark.usefixtures("quick")
async def test_a_commit_is_recognised_though_the_answer_to_the_look_is_lost_too(
    parts: Parts,
) -> None:
    lane = FailingLane(parts.engine)

    async def lose_the_next_as_well(driver: Driver) -> None:
        lane.after = lose_the_answer
        await lose_the_answer(driver)

    lane.after = lose_the_next_as_well
    writer = LaneWriter(lane, parts.clock, parts.writers[0]._make_id)
    recorded = await writer.write(await gather([both], parts.catalog))
    assert recorded.results[0].outcomes.tolist() == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert [batch.id for batch in await parts.summaries()] == [recorded.batch_id]
    await writer.close()


@pytest.mark.usefixtures("quick")
async def test_what_stays_unknown_is_said_and_resolved_by_a_repeat(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.commit.lane._RETRY_PAUSES_S", ())
    writer = failing(parts, after=lose_the_answer)
    with pytest.raises(OutcomeUnknown) as raised:
        await writer.write(await gather([both], parts.catalog))
    fault = fault_of(raised.value)
    assert fault is not None
    assert fault.reason is Reason.OUTCOME_UNKNOWN
    [again] = (await writer.write(await gather([both], parts.catalog))).results
    assert again.outcomes.tolist() == [Outcome.REPLAYED, Outcome.REPLAYED]
    assert again.refunds[0].outcome is Outcome.REPLAYED
    assert len(await parts.summaries()) == 1
    await parts.require_balanced()
    await writer.close()


@pytest.mark.usefixtures("quick")
async def test_a_database_that_stays_away_is_reported(
    parts: Parts, urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = FailingLane(parts.engine)

    async def always(driver: Driver) -> None:
        lane.before = always
        await kill(urls)(driver)

    lane.before = always
    writer = LaneWriter(lane, parts.clock, parts.writers[0]._make_id)
    with pytest.raises(Exception) as raised:  # noqa: PT011  read by fault_of
        await writer.write(await gather([both], parts.catalog))
    fault = fault_of(raised.value)
    assert fault is not None
    assert fault.reason in (Reason.DEPENDENCY_UNAVAILABLE, Reason.OUTCOME_UNKNOWN)
    assert await parts.summaries() == []
    await writer.close()


async def test_a_caller_that_goes_away_does_not_take_the_gift_along(parts: Parts) -> None:
    submission = Submission(gifts=[a_gift()])
    waiting = asyncio.create_task(parts.committer.commit(submission))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(10):
        while not await parts.summaries():  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)
    again = await parts.committer.commit(submission)
    assert again.outcomes.tolist() == [Outcome.REPLAYED]
    await parts.require_balanced()
