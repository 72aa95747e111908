"""Streams over mTLS: everything arrives once, whatever happens to the connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

import grpc
import pytest
from watersmeet.client import Client, Gift, WatersmeetError, build_batch, connect
from watersmeet.donations.v1.donation_intake_service_pb2 import BatchAcknowledgement, DonationBatch

from .certificates import Authority, Pair
from .intake import Intake, Line, Server

GIFT = Gift("A", "library", 1_000_000, "CNY", datetime(2026, 9, 5, tzinfo=UTC))


def gifts(count: int) -> Iterator[Gift]:
    for number in range(count):
        yield replace(GIFT, external_id=f"A-{number:06}", amount_micros=number + 1)


async def collect(
    stream: AsyncIterator[BatchAcknowledgement],
    into: list[BatchAcknowledgement] | None = None,
) -> list[BatchAcknowledgement]:
    """Reads the stream; into holds what came before an error."""
    acks = [] if into is None else into
    async for acknowledgement in stream:
        acks.append(acknowledgement)
    return acks


def assert_all_once(intake: Intake, acks: list[BatchAcknowledgement], count: int) -> None:
    assert intake.gifts == {gift.external_id: gift.amount_micros for gift in gifts(count)}
    assert [ack.offset for ack in acks] == list(range(0, count, 10))
    assert sum(ack.accepted + ack.replayed for ack in acks) == count


async def test_a_stream_is_acknowledged_batch_by_batch(client: Client, intake: Intake) -> None:
    acks = await collect(client.stream_donations(gifts(95), stream_id="s", batch_rows=10))
    assert_all_once(intake, acks, 95)
    assert sum(ack.accepted for ack in acks) == 95
    assert intake.openings == ["s"]
    assert await client.stream_offset("s") == 95


async def test_an_empty_stream_is_no_error(client: Client) -> None:
    assert await collect(client.stream_donations([], stream_id="s")) == []


async def test_prepared_batches_and_other_currencies_keep_their_order(
    client: Client, intake: Intake
) -> None:
    dollars = replace(GIFT, external_id="D", currency="USD")
    source: list[Gift | DonationBatch] = [
        GIFT,
        dollars,
        build_batch([replace(GIFT, external_id="P")]),
    ]
    acks = await collect(client.stream_donations(source, stream_id="s", offset=5))
    assert [ack.offset for ack in acks] == [5, 6, 7]
    assert list(intake.gifts) == ["A", "D", "P"]


@pytest.fixture
async def line(server: Server) -> AsyncIterator[Line]:
    async with Line(server.port) as line:
        yield line


@pytest.fixture
async def far(line: Line, authority: Authority, partner: Pair) -> AsyncIterator[Client]:
    """A client at the other end of the line."""
    async with connect(
        line.target,
        ca=authority.pem,
        certificate=partner.certificate,
        key=partner.key,
        timeout_s=2,
    ) as client:
        yield client


async def test_a_cut_line_loses_and_doubles_nothing(
    far: Client, line: Line, intake: Intake
) -> None:
    acks = []
    async for ack in far.stream_donations(gifts(200), stream_id="s", batch_rows=10):
        acks.append(ack)
        if ack.offset in (0, 60, 130):  # apart by more than what is on its way
            line.cut()
    assert_all_once(intake, acks, 200)
    assert line.connections == len(intake.openings) == 4
    assert set(intake.openings) == {"s"}


async def test_a_server_that_restarts_is_found_again(
    client: Client, server: Server, intake: Intake
) -> None:
    acks = []
    async for ack in client.stream_donations(gifts(100), stream_id="s", batch_rows=10):
        acks.append(ack)
        if ack.offset == 40:
            await server.stop()
            await server.start()
    assert_all_once(intake, acks, 100)


async def test_a_stream_that_the_server_ends_early_goes_on(client: Client, intake: Intake) -> None:
    intake.ends_early_after = 3
    acks = await collect(client.stream_donations(gifts(100), stream_id="s", batch_rows=10))
    assert_all_once(intake, acks, 100)
    assert len(intake.openings) == 2


async def test_a_full_queue_is_waited_for(client: Client, intake: Intake) -> None:
    full = {"code": grpc.StatusCode.RESOURCE_EXHAUSTED, "reason": "QUEUE_FULL"}
    intake.failures.append(full | {"retry_after_s": 0.4})
    loop = asyncio.get_running_loop()
    began = loop.time()
    acks = await collect(client.stream_donations(gifts(30), stream_id="s", batch_rows=10))
    assert loop.time() - began >= 0.4
    assert_all_once(intake, acks, 30)


async def test_a_server_that_hangs_is_left_for_a_new_connection(
    far: Client, intake: Intake
) -> None:
    intake.acknowledge.clear()
    intake.acknowledges_from_opening = 2
    acks = await collect(far.stream_donations(gifts(30), stream_id="s", batch_rows=10))
    assert_all_once(intake, acks, 30)


async def test_a_refused_batch_ends_the_stream_with_its_reason(
    client: Client, intake: Intake
) -> None:
    wrong = build_batch(list(gifts(20))[10:])
    wrong.control_totals.micros += 1
    acks: list[BatchAcknowledgement] = []
    source: list[Gift | DonationBatch] = [*gifts(10), wrong]
    with pytest.raises(WatersmeetError) as caught:
        await collect(client.stream_donations(source, stream_id="s", batch_rows=10), acks)
    assert caught.value.reason == "CONTROL_TOTALS_MISMATCH"
    assert_all_once(intake, acks, 10)


async def test_the_reason_is_heard_though_batches_are_on_their_way(
    client: Client, intake: Intake
) -> None:
    # 3 MB a batch: the server refuses the first while the others are being written.
    source: list[Gift | DonationBatch] = [
        build_batch([replace(gift, external_id=gift.external_id + "x" * 3_000_000)])
        for gift in gifts(4)
    ]
    wrong = source[0]
    assert isinstance(wrong, DonationBatch)
    wrong.control_totals.micros += 1
    with pytest.raises(WatersmeetError, match="CONTROL_TOTALS_MISMATCH"):
        await collect(client.stream_donations(source, stream_id="s"))
    assert len(intake.openings) <= 2


async def test_patience_ends(client: Client, server: Server) -> None:
    await server.stop()
    with pytest.raises(WatersmeetError, match="UNREACHABLE"):
        await collect(client.stream_donations(gifts(10), stream_id="s", patience_s=0.5))
    await server.start()


async def test_a_source_that_fails_is_told_after_its_gifts_are_acknowledged(
    client: Client, intake: Intake
) -> None:
    def source() -> Iterator[Gift]:
        yield from gifts(20)
        raise OSError("the disk is gone")

    acks: list[BatchAcknowledgement] = []
    with pytest.raises(OSError, match="the disk is gone"):
        await collect(client.stream_donations(source(), stream_id="s", batch_rows=10), acks)
    assert_all_once(intake, acks, 20)


async def test_no_more_is_read_than_there_is_room_for(client: Client, intake: Intake) -> None:
    read = 0

    def source() -> Iterator[Gift]:
        nonlocal read
        for gift in gifts(1000):
            read += 1
            yield gift

    stream = client.stream_donations(source(), stream_id="s", batch_rows=10, in_flight=3)
    async with aclosing(stream):
        await anext(stream)
        for _ in range(20):
            await asyncio.sleep(0.01)
        # One is acknowledged and handed out; three are on their way.
        assert read == 40


async def test_a_slow_source_is_acknowledged_as_it_goes(client: Client) -> None:
    go_on = asyncio.Event()

    async def source() -> AsyncIterator[Gift]:
        for gift in gifts(10):
            yield gift
        await go_on.wait()
        for gift in list(gifts(20))[10:]:
            yield gift

    stream = client.stream_donations(source(), stream_id="s", batch_rows=10)
    async with asyncio.timeout(5):
        assert (await anext(stream)).offset == 0
        go_on.set()
        assert [ack.offset async for ack in stream] == [10]


async def test_an_abandoned_stream_leaves_nothing_running(client: Client) -> None:
    before = asyncio.all_tasks()
    stream = client.stream_donations(gifts(1000), stream_id="s", batch_rows=10)
    await anext(stream)
    await stream.aclose()
    await asyncio.sleep(0.05)
    mine = {task for task in asyncio.all_tasks() - before if "watersmeet" in repr(task)}
    assert mine == set()


@pytest.mark.parametrize("options", [{"batch_rows": 0}, {"batch_rows": 10_001}, {"in_flight": 0}])
async def test_impossible_options_are_refused(client: Client, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is"):
        await collect(client.stream_donations(gifts(1), stream_id="s", **options))
