"""Any order, any grouping and any repetition of the same reports, on both lanes: the same books."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.donations.commit.submission import Submission
from services.donations.domain import Gift, Rail, Refund, bucket_of
from services.donations.life.reports import STAGES, Dispute, DisputeStatus, Fact, StageEvent
from services.donations.proof.positions import check_positions
from services.donations.store.rederiving import LifeReader
from tests.integration.donations.canonical import canonical, forget_earlier
from tests.integration.donations.conftest import forget_now_and_then
from tests.integration.donations.parts import Parts, write
from tests.support.emptying import Emptier
from tests.unit.donations.gifts import NOW_MICROS, a_gift

# The database outlives the examples.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
# Each run's ids are its own, and in the same buckets as every other's: CRC-32 makes it so for all
# ids of one length once it is so for one of them. The order of keys decides who has a rail.
marks = (mark for n in itertools.count() if bucket_of((mark := f"{n:08}-") + "a") == 0)

Message = Gift | Fact

# Two origins, of one company and of another, and the rails' reports that they may name.
ORIGINS = [("bytedance", "a"), ("bytedance", "b"), ("weibo", "c")]
RAILS = [("alipay", "x"), ("tencent", "y")]
_PROJECTS = {"b": "surgery", "y": "unheard-of"}

_ids = st.sampled_from([*ORIGINS, *RAILS])
_origins = st.builds(
    lambda of, rail, amount: a_report(*of, rail=rail, amount=amount),
    st.sampled_from(ORIGINS),
    st.none() | st.sampled_from(RAILS),
    st.sampled_from([100, 100, 70]),
)
_rails = st.builds(
    lambda of, amount: a_report(*of, amount=amount),
    st.sampled_from(RAILS),
    st.sampled_from([100, 70]),
)
_refunds = st.builds(lambda of, number: a_refund_of(of, number), _ids, st.integers(1, 3))
_disputes = st.builds(
    lambda of, status, number: a_dispute_of(of, status, number),
    _ids,
    st.sampled_from(DisputeStatus),
    st.integers(1, 2),
)
_stages = st.builds(lambda of, stage: a_stage_of(of, stage), _ids, st.sampled_from(STAGES))

# One content for each id: what contradicts itself is another test.
messages = st.lists(
    st.one_of(_origins, _rails, _refunds, _disputes, _stages),
    min_size=1,
    max_size=14,
    unique_by=lambda message: identity(message),
)


def a_report(
    partner: str, external_id: str, rail: tuple[str, str] | None = None, amount: int = 100
) -> Gift:
    """Of a rail's two, who tell of another amount, one tells of it in another currency."""
    return a_gift(
        external_id,
        partner=partner,
        project=_PROJECTS.get(external_id, "water"),
        amount_micros=amount,
        currency="USD" if (external_id, amount) == ("y", 70) else "CNY",
        rail=None if rail is None else Rail(*rail),
    )


def a_refund_of(of: tuple[str, str], number: int) -> Refund:
    currency = "USD" if number == 2 and of in (("weibo", "c"), ("tencent", "y")) else "CNY"
    return Refund(*of, f"r{number}", 20 + 25 * number, currency, number == 3, NOW_MICROS - number)


def a_dispute_of(of: tuple[str, str], status: DisputeStatus, number: int) -> Dispute:
    return Dispute(*of, f"d{number}", status, 30 * number, "CNY", NOW_MICROS - number)


def a_stage_of(of: tuple[str, str], stage: object) -> StageEvent:
    found = next(each for each in STAGES if each == stage)
    return StageEvent(*of, found.name, found, NOW_MICROS - 5)


def identity(message: Message) -> object:
    match message:
        case Gift():
            return (message.partner, message.external_id)
        case Refund():
            return (message.partner, message.external_id, message.refund_id)
        case Dispute():
            return (message.partner, message.external_id, message.dispute_id, message.status)
        case StageEvent():
            return (message.partner, message.external_id, message.event_id)


@pytest.mark.property
@shared
@given(given_messages=messages, chance=st.randoms(use_true_random=False))
async def test_any_order_on_both_lanes_makes_the_same_books(
    parts: Parts, emptier: Emptier, given_messages: list[Message], chance: random.Random
) -> None:
    forget_now_and_then(emptier)
    straight = await books(parts, [[[message]] for message in given_messages])
    again = [*given_messages, *chance.choices(given_messages, k=4)]
    chance.shuffle(again)
    assert await books(parts, grouped(again, chance)) == straight


async def test_a_refund_of_a_rail_s_stays_booked_where_its_gift_turns_out_to_be_another(
    parts: Parts,
) -> None:
    first = a_report("weibo", "c", ("tencent", "y"))
    other = a_report("bytedance", "a", ("tencent", "y"))
    rail, refund = a_report("tencent", "y"), a_refund_of(("tencent", "y"), 3)
    found = await books(parts, [[[message]] for message in (first, rail, refund, other)])
    assert found == await books(parts, [[[message]] for message in (other, rail, refund, first)])


async def books(parts: Parts, rounds: Sequence[Sequence[Sequence[Message]]]) -> str:
    """Records messages under ids of their own, round after round, and dumps what comes of it.

    Each round has a group for each lane.
    """
    mark = next(marks)
    await forget_earlier(parts)
    for lanes in rounds:
        # Not gathered: where one fails, the other must not write into the next example's books.
        async with asyncio.TaskGroup() as both:
            for writer, lane in zip(parts.writers, lanes, strict=False):
                if lane:
                    mine = [submission(marked(each, mark)) for each in lane]
                    both.create_task(write(parts, writer, *mine))
    while await parts.sweeper.sweep():
        pass
    async for checked in check_positions(LifeReader(parts.engine)):
        assert checked.differences == []
    dump = await canonical(parts, [(of, mark + external_id) for of, external_id in ORIGINS + RAILS])
    return dump.replace(mark, "")


def marked(message: Message, mark: str) -> Message:
    own = replace(message, external_id=mark + message.external_id)
    if isinstance(own, Gift) and own.rail is not None:
        return replace(own, rail=Rail(own.rail.code, mark + own.rail.external_id))
    return own


def submission(message: Message) -> Submission:
    match message:
        case Gift():
            return Submission(gifts=[message])
        case Refund():
            return Submission(refunds=[message])
        case Dispute():
            return Submission(disputes=[message])
        case StageEvent():
            return Submission(stages=[message])


def grouped(every: list[Message], chance: random.Random) -> list[list[list[Message]]]:
    """Cut into rounds of one to four messages, each dealt to both lanes."""
    rounds = []
    while every:
        size = chance.randint(1, 4)
        rounds.append([every[:size][::2], every[:size][1::2]])
        every = every[size:]
    return rounds
