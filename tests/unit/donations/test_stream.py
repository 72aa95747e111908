"""A bulk stream without a network: order, offsets, and how much it holds."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from services.donations.commit.submission import Committed, Submission
from services.donations.desks.stream import BulkStream, IncomingBatch
from services.donations.domain import Outcome
from services.donations.gifts.tokens import DonorTokens
from services.donations.gifts.validation import Refusal
from services.runtime.errors import Fault, Reason
from tests.unit.donations.gifts import NOW, NOW_MICROS, a_gift
from tests.unit.donations.test_validation import batch_of


class Lane:
    """Takes submissions; a test says when they are durable, and what became of them."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.futures: list[asyncio.Future[Committed]] = []

    async def submit(self, submission: Submission) -> asyncio.Future[Committed]:
        self.submissions.append(submission)
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]

    def settle(self, number: int, outcome: Outcome = Outcome.ACCEPTED) -> None:
        rows = self.submissions[number].gift_count
        outcomes = np.full(rows, outcome, dtype=np.uint8)
        self.futures[number].set_result(Committed(None, NOW, outcomes, ()))


def incoming(offset: int, rows: int = 2, **changes: object) -> IncomingBatch:
    gifts = [a_gift(f"{offset}-{row}") for row in range(rows)]
    batch = batch_of(gifts)
    return IncomingBatch(
        offset,
        batch,
        rows,
        int(batch.amounts_micros.sum()),
        **changes,  # type: ignore[arg-type]
    )


def open_stream(lane: Lane, next_offset: int = 0, in_flight: int = 3) -> BulkStream:
    return BulkStream(
        "weibo",
        "s",
        next_offset,
        lane,  # type: ignore[arg-type]
        DonorTokens(bytes(32)),
        lambda: NOW,
        in_flight=in_flight,
    )


class Source:
    """Batches to read; counts how many were read."""

    def __init__(self, *batches: IncomingBatch | Fault) -> None:
        self.batches = batches
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[IncomingBatch]:
        for batch in self.batches:
            self.read += 1
            if isinstance(batch, Fault):
                raise batch
            yield batch


async def settled() -> None:
    """Lets every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_acknowledgements_come_in_order_whatever_is_durable_first() -> None:
    lane = Lane()
    stream = open_stream(lane)
    answers = stream.acknowledgements(aiter(Source(incoming(0), incoming(2), incoming(4))))
    first = asyncio.ensure_future(anext(answers))
    await settled()
    lane.settle(1)
    lane.settle(2)
    await settled()
    assert not first.done()
    lane.settle(0)
    assert [(await first).offset, *[a.offset async for a in answers]] == [0, 2, 4]
    assert [s.position.next_offset for s in lane.submissions if s.position] == [2, 4, 6]


async def test_no_more_is_read_than_may_be_in_flight() -> None:
    lane = Lane()
    source = Source(*(incoming(2 * number) for number in range(9)))
    answers = open_stream(lane, in_flight=3).acknowledgements(aiter(source))
    first = asyncio.ensure_future(anext(answers))
    await settled()
    assert source.read == 3
    lane.settle(0)
    await first
    await settled()
    assert source.read == 3  # nobody has taken the first answer from the wire yet
    second = asyncio.ensure_future(anext(answers))
    await settled()
    assert source.read == 4
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await answers.aclose()  # type: ignore[attr-defined]


async def test_a_gap_ends_the_stream_after_what_came_before() -> None:
    lane = Lane()
    answers = open_stream(lane).acknowledgements(aiter(Source(incoming(0), incoming(3))))
    first = asyncio.ensure_future(anext(answers))
    await settled()
    lane.settle(0)
    assert (await first).offset == 0
    with pytest.raises(Fault) as raised:
        await anext(answers)
    assert raised.value.reason is Reason.STREAM_OFFSET_GAP
    assert raised.value.metadata == {"expected_offset": "2"}


async def test_what_was_sent_before_may_be_sent_again() -> None:
    lane = Lane()
    source = Source(incoming(0), incoming(2), incoming(6), incoming(4))
    answers = open_stream(lane, next_offset=6, in_flight=9).acknowledgements(aiter(source))
    reading = asyncio.ensure_future(anext(answers))
    await settled()
    assert len(lane.submissions) == 4
    for number in range(4):
        lane.settle(number, Outcome.REPLAYED)
    assert (await reading).count(Outcome.REPLAYED) == 2
    assert [a.offset async for a in answers] == [2, 6, 4]


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (incoming(-1), Reason.FIELD_INVALID),
        (incoming(1), Reason.STREAM_OFFSET_GAP),
        (
            IncomingBatch(0, batch_of([a_gift()]), 1, 7),
            Reason.CONTROL_TOTALS_MISMATCH,
        ),
        (incoming(0, complete_until_micros=NOW_MICROS + 10**9), Reason.FIELD_INVALID),
        (Fault(Reason.FIELD_REQUIRED, "no totals"), Reason.FIELD_REQUIRED),
    ],
)
async def test_a_batch_that_cannot_be_taken_ends_the_stream(
    batch: IncomingBatch | Fault, reason: Reason
) -> None:
    lane = Lane()
    with pytest.raises(Fault) as raised:
        await anext(open_stream(lane).acknowledgements(aiter(Source(batch))))
    assert raised.value.reason is reason
    assert lane.submissions == []


async def test_refused_rows_are_named_and_the_others_go_on() -> None:
    lane = Lane()
    gifts = [a_gift("a"), a_gift("b", amount_micros=0), a_gift("c"), a_gift("d d")]
    batch = batch_of(gifts)
    source = Source(IncomingBatch(0, batch, 4, int(batch.amounts_micros.sum())))
    reading = asyncio.ensure_future(anext(open_stream(lane).acknowledgements(aiter(source))))
    await settled()
    lane.settle(0, Outcome.SUSPENDED)
    done = await reading
    assert done.outcomes.tolist() == [
        Outcome.SUSPENDED,
        Outcome.REFUSED,
        Outcome.SUSPENDED,
        Outcome.REFUSED,
    ]
    assert [(row, refusal) for row, _, refusal in done.notable_rows()] == [
        (0, Refusal.NONE),
        (1, Refusal.AMOUNT_NOT_POSITIVE),
        (2, Refusal.NONE),
        (3, Refusal.EXTERNAL_ID_MALFORMED),
    ]


async def test_what_the_database_says_reaches_the_client() -> None:
    lane = Lane()
    reading = asyncio.ensure_future(
        anext(open_stream(lane).acknowledgements(aiter(Source(incoming(0)))))
    )
    await settled()
    lane.futures[0].set_exception(Fault(Reason.DEPENDENCY_UNAVAILABLE, "away"))
    with pytest.raises(Fault, match="away"):
        await reading
