"""The way from the outbox to the ledger, which may be away, forget, or refuse."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid5

import grpc
import psycopg
import pytest
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub

from services.donations.catalog.memory import Campaign
from services.donations.commit.submission import Submission
from services.donations.gifts.batch import zone_of
from services.donations.wire.relay import Relay, _within_limits
from services.runtime.channel import open_channel
from services.runtime.settings import TlsSettings
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess, StandbyLedger
from tests.integration.donations.messages import donation_request
from tests.integration.donations.parts import Parts
from tests.support.clock import FixedClock
from tests.support.identities import Certificates
from tests.unit.donations.gifts import NOW_MICROS, a_gift


async def record(parts: Parts, *names: str) -> list[str]:
    """Records gifts, each in a batch of its own; returns the batches' ids."""
    batches = []
    for name in names:
        committed = await parts.committer.commit(Submission(gifts=[a_gift(name)]))
        batches.append(str(committed.batch_id))
    return batches


async def test_batches_are_posted_in_order_and_leave_the_outbox(
    parts: Parts, relay: Relay, ledger: LedgerProcess
) -> None:
    batches = await record(parts, "a", "b", "c")
    assert await parts.outbox.backlog() == (3, parts.clock())
    assert not any(summary.posted for summary in await parts.summaries())
    assert await relay.post_due() == 3
    assert list(ledger.ledger.entries) == batches
    assert await parts.outbox.backlog() == (0, None)
    assert all(summary.posted for summary in await parts.summaries())
    sequences = await parts.query("SELECT posted_sequence FROM batches ORDER BY id")
    assert [row.posted_sequence for row in sequences] == [1, 2, 3]
    assert await relay.post_due() == 0


async def test_the_next_ledger_is_asked_where_one_stands_by_or_is_away(
    parts: Parts, ledger: LedgerProcess, certificates: Certificates, clock: FixedClock
) -> None:
    standby = LedgerProcess(StandbyLedger(), certificates)
    await standby.start()
    files: dict[str, Any] = dict(certificates.settings_for("service", "donations"))
    tls = TlsSettings(**files)
    nowhere = "127.0.0.1:1"
    channels = [open_channel(a, tls) for a in (nowhere, standby.address, ledger.address)]
    relay = Relay(parts.outbox, channels, clock)
    batches = await record(parts, "a", "b")
    running = asyncio.create_task(relay.run())
    try:
        await eventually(lambda: list(ledger.ledger.entries) == batches)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for channel in channels:
            await channel.close()
        await standby.stop()


async def test_an_answer_that_got_lost_is_asked_for_again(
    parts: Parts, relay: Relay, ledger: LedgerProcess
) -> None:
    batches = await record(parts, "a", "b")
    ledger.ledger.forgets = 1
    with pytest.raises(grpc.aio.AioRpcError):
        await relay.post_due()
    assert (await parts.outbox.backlog())[0] == 2
    assert await relay.post_due() == 2
    assert list(ledger.ledger.entries) == batches
    assert ledger.ledger.posted == 4


async def test_what_was_just_recorded_is_posted_without_reading_the_outbox(
    parts: Parts, relay: Relay, ledger: LedgerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.wire.relay.POLL_S", 1e9)  # it looks once, at the start
    parts.committer.on_recorded(relay.recorded)
    batches = await record(parts, "before")
    running = asyncio.create_task(relay.run())
    try:
        await eventually(lambda: list(ledger.ledger.entries) == batches)
        looked = parts.outbox.due
        monkeypatch.setattr(parts.outbox, "due", None)
        batches += await record(parts, "a", "b")
        await eventually(lambda: list(ledger.ledger.entries) == batches)

        # What fails from memory is found in the outbox.
        monkeypatch.setattr(parts.outbox, "due", looked)
        ledger.ledger.forgets = 1
        posted = ledger.ledger.posted
        batches += await record(parts, "c")
        await eventually(lambda: ledger.ledger.posted == posted + 2)
        assert list(ledger.ledger.entries) == batches
        async with asyncio.timeout(10):
            while (await parts.outbox.backlog())[0]:  # noqa: ASYNC110  it is noted after the answer
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_more_batches_than_are_kept_in_memory_are_read_from_the_outbox(
    parts: Parts, relay: Relay, ledger: LedgerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.wire.relay.POLL_S", 1e9)
    monkeypatch.setattr("services.donations.wire.relay._BATCHES_AT_ONCE", 2)
    monkeypatch.setattr("services.donations.wire.relay._GIFTS_ENOUGH", 3)
    parts.committer.on_recorded(relay.recorded)
    await relay._post_what_waits()  # the look at the start
    batches = await record(parts, "a", "b", "c")
    assert not relay._enough.is_set()  # what is no longer in memory is no reason to hurry
    await relay._post_what_waits()
    assert list(ledger.ledger.entries) == batches


async def test_a_batch_that_the_ledger_refuses_stays_and_holds_up_nobody(
    parts: Parts, relay: Relay, ledger: LedgerProcess, clock: FixedClock
) -> None:
    bad, good = await record(parts, "a", "b")
    ledger.ledger.refuses = {bad}
    await relay.post_due()
    assert list(ledger.ledger.entries) == [good]
    [kept] = await parts.query("SELECT batch_id, problem FROM outbox")
    assert (str(kept.batch_id), kept.problem) == (bad, "ENTRY_CONFLICT")
    assert await relay.post_due() == 0  # it is not asked for all the time

    ledger.ledger.refuses = set()
    clock.advance(timedelta(minutes=2))
    assert await relay.post_due() == 1
    assert set(ledger.ledger.entries) == {bad, good}


async def test_a_batch_that_no_message_holds_stays_and_holds_up_nobody(
    parts: Parts, relay: Relay, ledger: LedgerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = 3_600_000_000
    many = [a_gift(f"{n}", event_time_micros=NOW_MICROS - n * hour) for n in range(20)]
    [before] = await record(parts, "a")
    large = str((await parts.committer.commit(Submission(gifts=many))).batch_id)
    after = await record(parts, "b", "c")
    # What one line needs, and another two, but not twenty.
    monkeypatch.setattr("services.runtime.messages.MESSAGE_BYTES_MAX", 1_000)
    assert await relay.post_due() == 4
    assert list(ledger.ledger.entries) == [before, *after]
    [kept] = await parts.query("SELECT batch_id, problem FROM outbox")
    assert (str(kept.batch_id), kept.problem) == (large, "MESSAGE_TOO_LARGE")
    assert await relay.post_due() == 0


@pytest.mark.parametrize(
    "lines",
    [
        "[]",
        "null",
        '[["GIFT"]]',
        '[[99, "weibo", "", "water", "CNY", 435000, 1, 1]]',
        '[[1, "weibo", [], "water", "CNY", 435000, 1, 1]]',
        '[[1, "weibo", "", "water", "CNY", 435000, "much", 1]]',
        '[[1, "weibo", "", "water", "CNY", 435000, 99999999999999999999, 1]]',
    ],
)
async def test_a_batch_that_cannot_be_read_stays_and_holds_up_nobody(
    parts: Parts, relay: Relay, ledger: LedgerProcess, urls: DatabaseUrls, lines: str
) -> None:
    before, damaged, after = await record(parts, "a", "b", "c")
    with psycopg.connect(urls.owner) as owner:
        owner.execute("UPDATE outbox SET lines = %s WHERE batch_id = %s", [lines, damaged])
    assert await relay.post_due() == 3
    assert list(ledger.ledger.entries) == [before, after]
    [kept] = await parts.query("SELECT batch_id, problem FROM outbox")
    assert (str(kept.batch_id), kept.problem) == (damaged, "INTERNAL")
    assert await relay.post_due() == 0


async def test_while_the_ledger_is_away_gifts_are_taken_in_and_wait(
    connect: Connect, ledger: LedgerProcess
) -> None:
    weibo: Any = DonationIntakeServiceStub(connect("partner", "weibo"))
    await ledger.stop()
    for number in range(5):
        await weibo.RecordDonation(donation_request(a_gift(str(number))), timeout=5)
    assert ledger.ledger.entries == {}
    await asyncio.sleep(0.3)
    await ledger.start()
    await eventually(lambda: sum(ledger.ledger.micros().values()) == 5 * 1_230_000, seconds=20)


async def test_two_relays_post_each_batch_as_one_entry(
    parts: Parts, relay: Relay, ledger: LedgerProcess
) -> None:
    batches = await record(parts, "a", "b", "c", "d")
    await asyncio.gather(relay.post_due(), relay.post_due())
    assert list(ledger.ledger.entries) == batches
    assert await parts.outbox.backlog() == (0, None)


async def test_calls_to_the_ledger_have_a_limit(parts: Parts) -> None:
    await record(parts, "a", "b", "c")
    due = await parts.outbox.due(parts.clock(), 10)
    assert [len(call) for call in _within_limits(due, lines_max=2)] == [2, 1]
    assert [len(call) for call in _within_limits(due, lines_max=0)] == [1, 1, 1]
    assert _within_limits([], lines_max=2) == []


async def test_a_batch_is_an_entry_for_each_calendar_that_it_counts_in(
    parts: Parts, relay: Relay, ledger: LedgerProcess
) -> None:
    """Campaigns there, one here and none; what is in suspense counts here."""
    for code, zone in (("york", "America/New_York"), ("thames", "Europe/London")):
        await add_campaign(parts, code, zone)
    gifts = [
        a_gift("1", campaign="york", amount_micros=1),
        a_gift("2", campaign="thames", amount_micros=20),
        a_gift("3", campaign="week", amount_micros=300),
        a_gift("4", amount_micros=4_000),
        a_gift("5", campaign="york", project="unheard-of", amount_micros=50_000),
        a_gift("6", campaign="york", amount_micros=600_000),
    ]
    committed = await parts.committer.commit(Submission(gifts=gifts))
    assert await relay.post_due() == 1
    own, york, thames = ledger.ledger.entries.values()
    batch_id = str(committed.batch_id)
    assert own.entry_id == batch_id
    told = {
        entry.metadata.get("time_zone", ""): sorted(t.amount.micros for t in entry.transfers)
        for entry in (own, york, thames)
    }
    # Two of York's in one hour are one line.
    assert told == {"": [300, 4_000, 50_000], "America/New_York": [600_001], "Europe/London": [20]}
    assert {entry.cause.id for entry in (own, york, thames)} == {batch_id}
    assert len({entry.metadata["digest"] for entry in (own, york, thames)}) == 1
    # They are one batch, acknowledged by its first entry.
    [row] = await parts.query("SELECT posted_sequence FROM batches")
    assert row.posted_sequence == 1
    [summary] = await parts.summaries()
    assert {zone_of(line, summary.zones) for line in summary.lines} == set(told)


async def test_a_batch_is_posted_once_all_its_entries_are(
    parts: Parts, relay: Relay, ledger: LedgerProcess, clock: FixedClock
) -> None:
    await add_campaign(parts, "york", "America/New_York")
    gifts = [a_gift("1", campaign="york"), a_gift("2")]
    committed = await parts.committer.commit(Submission(gifts=gifts))
    assert committed.batch_id is not None
    second = str(uuid5(committed.batch_id, "America/New_York"))
    ledger.ledger.refuses.add(second)
    await relay.post_due()
    assert list(ledger.ledger.entries) == [str(committed.batch_id)]
    assert not any(summary.posted for summary in await parts.summaries())
    ledger.ledger.refuses.clear()
    clock.advance(61)
    await relay.post_due()
    assert list(ledger.ledger.entries) == [str(committed.batch_id), second]
    assert all(summary.posted for summary in await parts.summaries())


async def test_what_was_posted_whole_is_not_posted_again_in_parts(
    parts: Parts, relay: Relay, ledger: LedgerProcess
) -> None:
    """The release before posted a batch as one entry, and its answer may have been lost."""
    await add_campaign(parts, "york", "America/New_York")
    gifts = [a_gift("1", campaign="york"), a_gift("2")]
    committed = await parts.committer.commit(Submission(gifts=gifts))
    ledger.ledger.refuses.add(str(committed.batch_id))  # which stands there with other content
    await relay.post_due()
    assert ledger.ledger.entries == {}, "the gifts in it would be counted twice"
    assert not any(summary.posted for summary in await parts.summaries())


async def add_campaign(parts: Parts, code: str, zone: str) -> None:
    start, end = parts.clock() - timedelta(days=1), parts.clock() + timedelta(days=1)
    campaign = Campaign(code, code.title(), start, end, zone)
    await parts.catalog_store.create_campaign(campaign, parts.clock())
    await parts.catalog.refresh()


async def test_a_call_has_no_more_entries_than_the_ledger_takes(
    parts: Parts, relay: Relay, ledger: LedgerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_campaign(parts, "york", "America/New_York")
    for number in range(3):
        gifts = [a_gift(f"{number}a", campaign="york"), a_gift(f"{number}b")]
        await parts.committer.commit(Submission(gifts=gifts))
    monkeypatch.setattr("services.donations.wire.relay._ENTRIES_MAX", 2)
    ledger.ledger.calls.clear()
    assert await relay.post_due() == 3
    assert ledger.ledger.calls == [2, 1, 2, 1]
    assert all(summary.posted for summary in await parts.summaries())
