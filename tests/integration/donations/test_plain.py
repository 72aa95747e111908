"""A few new gifts take one statement, and come to what a transaction of many would make of them."""

from collections.abc import AsyncIterator, Sequence
from itertools import chain, count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import FeatureNotSupported
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donations.commit.group import gather
from services.donations.commit.lane import LaneWriter
from services.donations.commit.recording import Recorded
from services.donations.commit.submission import Submission
from services.donations.domain import Outcome, Rail
from services.donations.store.lane import Lane
from services.runtime.clock import Clock
from services.runtime.database import OutcomeUnknown
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.parts import Parts, engine_of, outcomes_of, parts_on, write
from tests.integration.donations.test_faults import FailingLane, kill, lose_the_answer
from tests.support.clock import FixedClock
from tests.support.emptying import Emptier
from tests.support.examples import fewer_every_day
from tests.unit.donations.gifts import NOW, a_gift, a_refund

_ROWS = """
    SELECT bucket, partner_id, external_id, amount_micros, currency, project_id, campaign_id,
           event_time, donor_token FROM donations ORDER BY bucket, partner_id, external_id"""

RAIL = a_gift("4200", partner="tencent", amount_micros=100)
ORIGIN = a_gift("order-1", partner="bytedance", amount_micros=100, rail=Rail("tencent", "4200"))

plain_gifts = st.lists(
    st.builds(
        a_gift,
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64),
        partner=st.sampled_from(("weibo", "tencent")),
        project=st.sampled_from(("water", "books", "surgery")),
        campaign=st.sampled_from(("", "week")),
        amount_micros=st.integers(1, 10**15),
        currency=st.sampled_from(("CNY", "USD")),
        donor_token=st.sampled_from((b"", b"0123456789abcdef", bytes(15) + b"\1")),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda gift: (gift.partner, gift.external_id),
)


class CountedLane(FailingLane):
    """Counts transactions of several statements as well."""

    transactions = 0

    def transaction(self) -> Any:
        self.transactions += 1
        return super().transaction()


def writer_of(lane: Lane, clock: Clock, first: int = 1 << 70) -> LaneWriter:
    """A writer on a lane."""
    ids = count(first)
    return LaneWriter(lane, clock, lambda: UUID(int=next(ids)))


async def carried(parts: Parts, writer: LaneWriter) -> None:
    """The first batch of a writer looks for loose seals, which takes a transaction."""
    recorded = await write(parts, writer, Submission(gifts=[a_gift("the-first")]))
    assert outcomes_of(recorded) == [Outcome.ACCEPTED]


@pytest.fixture
async def engine(urls: DatabaseUrls) -> AsyncIterator[AsyncEngine]:
    """Connections for intake after intake, each of which finds its database empty."""
    async with engine_of(urls.service) as opened:
        yield opened


@pytest.mark.property
@settings(
    max_examples=fewer_every_day(5),  # each is two databases' worth
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(gifts=plain_gifts)
async def test_one_statement_records_what_a_transaction_does(
    gifts: Sequence[Any], engine: AsyncEngine, emptier: Emptier
) -> None:
    async def recorded_by(first: Submission) -> tuple[Recorded, Sequence[Any], dict[Any, Any]]:
        emptier.delete()
        async with parts_on(engine, FixedClock(NOW)) as parts:
            lane = CountedLane(parts.engine)
            writer = writer_of(lane, parts.clock)
            await carried(parts, writer)
            recorded = await writer.write(await gather([first], parts.catalog))
            assert lane.plainly == (0 if first.refunds else 1)
            await parts.require_balanced()
            rows = await parts.query(_ROWS)
            books = await parts.books()
            await writer.close()
        return recorded, rows, books

    # A refund of a gift that nobody knows makes no plain group, and moves nothing.
    stray = a_refund(external_id="unknown-to-all")
    plain, rows, books = await recorded_by(Submission(gifts=gifts))
    other, other_rows, other_books = await recorded_by(Submission(gifts=gifts, refunds=[stray]))
    assert rows == other_rows
    assert books == other_books
    assert outcomes_of(plain) == outcomes_of(other) == [Outcome.ACCEPTED] * len(gifts)
    assert plain.batch is not None
    assert other.batch is not None
    assert set(plain.batch.lines) == set(other.batch.lines)
    assert plain.batch.value_time == other.batch.value_time


async def test_what_is_not_plain_takes_a_transaction(parts: Parts) -> None:
    lane = CountedLane(parts.engine)
    writer = writer_of(lane, parts.clock)
    await carried(parts, writer)
    fresh = (a_gift(f"g{number}") for number in count())
    for submission in (
        Submission(gifts=[a_gift("s", project="unheard-of")]),
        Submission(gifts=[next(fresh)], refunds=[a_refund()]),
        Submission(gifts=[a_gift("o", partner="bytedance", rail=Rail("tencent", "1"))]),
        Submission(gifts=[a_gift("twice"), a_gift("twice")]),
        Submission(gifts=[next(fresh) for _ in range(257)]),
    ):
        transactions = lane.transactions
        await write(parts, writer, submission)
        assert (lane.plainly, lane.transactions) == (0, transactions + 1), submission
    await parts.require_balanced()
    await writer.close()


async def test_a_repeat_is_found_and_told(parts: Parts) -> None:
    lane = CountedLane(parts.engine)
    writer = writer_of(lane, parts.clock)
    await carried(parts, writer)
    first, second = a_gift("a"), a_gift("b")
    await write(parts, writer, Submission(gifts=[first]))
    assert lane.plainly == 1
    again = Submission(gifts=[first, second, a_gift("the-first", amount_micros=7)])
    assert outcomes_of(await write(parts, writer, again)) == [
        Outcome.REPLAYED,
        Outcome.ACCEPTED,
        Outcome.CONFLICTING,
    ]
    await parts.require_balanced()
    await writer.close()


async def test_a_rail_s_report_that_is_named_already_is_joined(parts: Parts) -> None:
    lane = CountedLane(parts.engine)
    writer = writer_of(lane, parts.clock)
    await carried(parts, writer)
    await write(parts, writer, Submission(gifts=[ORIGIN]))
    recorded = await write(parts, writer, Submission(gifts=[RAIL, a_gift("other")]))
    assert outcomes_of(recorded) == [Outcome.ACCEPTED] * 2
    assert lane.plainly == 1, "it was tried, and refused to insert anything"
    assert await parts.sweeper.sweep() == 0, "nothing is left to do"
    kinds = chain.from_iterable(batch.keys() for batch in await parts.pending())
    assert any(kind[0].name == "JOIN" for kind in kinds)  # type: ignore[attr-defined]
    await parts.require_balanced()
    await writer.close()


async def test_a_statement_whose_answer_was_lost_is_recognised(parts: Parts) -> None:
    lane = CountedLane(parts.engine)
    writer = writer_of(lane, parts.clock)
    await carried(parts, writer)
    lane.after = lose_the_answer
    recorded = await write(parts, writer, Submission(gifts=[a_gift("a")]))
    assert outcomes_of(recorded) == [Outcome.ACCEPTED]
    assert recorded.batch_id in {batch.id for batch in await parts.summaries()}
    assert len(await parts.summaries()) == 2
    await parts.require_balanced()
    await writer.close()


async def test_a_connection_that_breaks_before_the_statement_is_replaced(
    parts: Parts, urls: DatabaseUrls
) -> None:
    lane = CountedLane(parts.engine)
    writer = writer_of(lane, parts.clock)
    await carried(parts, writer)
    lane.before = kill(urls)
    recorded = await write(parts, writer, Submission(gifts=[a_gift("a")]))
    assert outcomes_of(recorded) == [Outcome.ACCEPTED]
    assert len(await parts.summaries()) == 2
    await parts.require_balanced()
    await writer.close()


async def test_what_stays_unknown_is_said(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.donations.commit.lane._RETRY_PAUSES_S", ())
    lane = CountedLane(parts.engine)
    writer = writer_of(lane, parts.clock)
    await carried(parts, writer)
    lane.after = lose_the_answer
    with pytest.raises(OutcomeUnknown):
        await write(parts, writer, Submission(gifts=[a_gift("a")]))
    again = await write(parts, writer, Submission(gifts=[a_gift("a")]))
    assert outcomes_of(again) == [Outcome.REPLAYED]
    await writer.close()


async def test_a_database_that_cannot_do_it_gets_transactions(parts: Parts) -> None:
    class Spread(CountedLane):
        tried = 0

        async def execute(self, statement: bytes, values: Sequence[object]) -> int:
            self.tried += 1
            raise FeatureNotSupported("not over several machines")

    lane = Spread(parts.engine)
    writer = writer_of(lane, parts.clock)
    await carried(parts, writer)
    for external_id in "abc":
        recorded = await write(parts, writer, Submission(gifts=[a_gift(external_id)]))
        assert outcomes_of(recorded) == [Outcome.ACCEPTED]
    assert (lane.tried, lane.transactions) == (1, 4)
    await parts.require_balanced()
    await writer.close()
