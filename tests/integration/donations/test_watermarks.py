"""Watermarks, on their way to the ledger: told after all that they say is complete."""

import asyncio
import itertools
from datetime import UTC, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.donations.commit.group import gather
from services.donations.commit.submission import Submission, Watermark
from services.donations.wire.relay import Relay
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.parts import Parts
from tests.support.clock import FixedClock
from tests.support.examples import fewer_every_day
from tests.unit.donations.gifts import NOW, a_gift

examples = itertools.count()


async def test_a_watermark_is_told_though_no_gift_is_new(
    parts: Parts, relay: Relay, ledger: LedgerProcess
) -> None:
    hour = timedelta(hours=1)
    gifts = [a_gift("1"), a_gift("2")]

    async def send(*watermarks: Watermark | None) -> list[dict[str, str]]:
        """Sends the same gifts with each; returns the facts of the entries that come of it, but
        for the gifts' own.
        """
        before = len(ledger.ledger.entries)
        for watermark in watermarks:
            await parts.committer.commit(Submission(gifts=gifts, watermark=watermark))
        await relay.post_all_due()
        entries = list(ledger.ledger.entries.values())[before:]
        return [dict(entry.metadata) for entry in entries if not entry.transfers]

    now = parts.clock()
    early, late = Watermark("weibo", now - 2 * hour), Watermark("weibo", now - hour)
    [first] = await send(early)
    assert first["complete_until/weibo"] == "2019-09-05T10:00:00Z"
    # What was told is no news, and nor is what is earlier.
    assert await send(early, Watermark("weibo", now - 3 * hour), None) == []
    [second] = await send(late, late, early)
    assert (second["complete_until/weibo"], second["gifts"]) == ("2019-09-05T11:00:00Z", "0")
    assert await send(late) == []
    # What no entry can state keeps nobody waiting.
    assert await send(Watermark("w" * 50, now)) == []
    [other] = await send(Watermark("w" * 49, now))
    assert other["complete_until/" + "w" * 49] == "2019-09-05T12:00:00Z"
    summaries = await parts.summaries()
    assert [(one.gifts, len(one.lines)) for one in summaries] == [(2, 1), *[(0, 0)] * 3]
    assert not any(summary.differences for summary in summaries)
    assert all(summary.posted for summary in summaries)
    alone = list(ledger.ledger.entries.values())[1]
    assert (list(alone.transfers), alone.value_time.ToDatetime(UTC)) == ([], now)
    assert await parts.query("SELECT 1 FROM declared_watermarks") == []


async def test_no_watermark_is_told_before_what_it_says_is_complete(
    parts: Parts, relay: Relay, ledger: LedgerProcess, clock: FixedClock
) -> None:
    """A batch is refused, in the same call as one that came after it with a watermark."""

    def told() -> dict[str, str]:
        facts: dict[str, str] = {}
        for entry in ledger.ledger.entries.values():
            facts |= {key: value for key, value in entry.metadata.items() if "/" in key}
        return facts

    async def send(name: str, partner: str, hour: int) -> str:
        committed = await parts.committer.commit(
            Submission(
                gifts=[a_gift(name, partner=partner)],
                watermark=Watermark(partner, parts.clock() - timedelta(hours=hour)),
            )
        )
        return str(committed.batch_id)

    bad = await send("a", "weibo", 9)
    good = [await send("b", "weibo", 8), await send("c", "xiaomi", 7)]
    ledger.ledger.refuses = {bad}
    await relay.post_all_due()
    # What the batch after it brought is in the books, and the other partner is complete.
    assert set(good) <= ledger.ledger.entries.keys()
    assert told() == {"complete_until/xiaomi": "2019-09-05T05:00:00Z"}

    # Later ones, also with nothing new, do not say so either, and only the last is kept.
    again = Submission(
        gifts=[a_gift("b")], watermark=Watermark("weibo", parts.clock() - timedelta(hours=5))
    )
    await send("d", "weibo", 6)
    await parts.committer.commit(again)
    await relay.post_all_due()
    assert told().keys() == {"complete_until/xiaomi"}
    await relay.post_all_due()
    [kept] = await parts.query("SELECT partner, complete_until FROM declared_watermarks")
    assert (kept.partner, kept.complete_until) == ("weibo", parts.clock() - timedelta(hours=5))

    ledger.ledger.refuses = set()
    clock.advance(timedelta(minutes=2))
    await relay.post_all_due()
    assert told()["complete_until/weibo"] == "2019-09-05T07:00:00Z"
    assert list(ledger.ledger.entries)[-2] == bad
    assert await parts.query("SELECT 1 FROM declared_watermarks") == []
    assert all(summary.posted for summary in await parts.summaries())


async def test_a_watermark_waits_for_what_another_process_has_yet_to_post(
    parts: Parts, relay: Relay, ledger: LedgerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch before is another's, which has not come to post it, and is not due here."""
    first = await parts.committer.commit(Submission(gifts=[a_gift("a")]))
    watermark = Watermark("weibo", parts.clock())
    await parts.committer.commit(Submission(gifts=[a_gift("b")], watermark=watermark))
    due = parts.outbox.due

    async def but_the_first(*asked: Any) -> Any:
        return [batch for batch in await due(*asked) if batch.id != first.batch_id]

    monkeypatch.setattr(parts.outbox, "due", but_the_first)
    await relay.post_all_due()
    assert len(ledger.ledger.entries) == 1
    monkeypatch.setattr(parts.outbox, "due", due)
    await relay.post_all_due()
    last = list(ledger.ledger.entries.values())[-1]
    assert (len(ledger.ledger.entries), list(last.transfers)) == (3, [])
    assert last.metadata["complete_until/weibo"] == "2019-09-05T12:00:00Z"


async def test_a_watermark_waits_for_a_batch_of_a_host_whose_clock_is_ahead(
    parts: Parts, relay: Relay, ledger: LedgerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was recorded before, though its id is a later one."""
    first = await parts.committer.commit(Submission(gifts=[a_gift("a")]))
    assert first.batch_id is not None
    await relay.post_due()
    second = await parts.committer.commit(Submission(gifts=[a_gift("b")]))
    # Two lanes hear of it, and have the same to wait for.
    for writer, hours in zip(parts.writers, (1, 2), strict=True):
        watermark = Watermark("weibo", parts.clock() - timedelta(hours=hours))
        repeat = Submission(gifts=[a_gift("a")], watermark=watermark)
        await writer.write(await gather([repeat], parts.catalog))
    due = parts.outbox.due

    async def but_the_second(*asked: Any) -> Any:
        return [batch for batch in await due(*asked) if batch.id != second.batch_id]

    monkeypatch.setattr(parts.outbox, "due", but_the_second)
    await relay.post_all_due()
    assert list(ledger.ledger.entries) == [str(first.batch_id)]
    monkeypatch.setattr(parts.outbox, "due", due)
    await relay.post_all_due()
    last = list(ledger.ledger.entries.values())[-1]
    assert (len(ledger.ledger.entries), list(last.transfers)) == (3, [])
    assert last.metadata["complete_until/weibo"] == "2019-09-05T11:00:00Z"


async def test_of_what_cannot_be_read_nobody_knows_whose_it_is(
    parts: Parts, relay: Relay, ledger: LedgerProcess, urls: DatabaseUrls
) -> None:
    damaged = await parts.committer.commit(Submission(gifts=[a_gift("a")]))
    with psycopg.connect(urls.owner) as owner:
        owner.execute("UPDATE outbox SET lines = 'null' WHERE batch_id = %s", [damaged.batch_id])
    watermark = Watermark("xiaomi", parts.clock())
    gifts = [a_gift("b", partner="xiaomi")]
    await parts.committer.commit(Submission(gifts=gifts, watermark=watermark))
    await relay.post_all_due()
    [entry] = ledger.ledger.entries.values()
    assert set(entry.metadata) == {"gifts", "digest"}


async def test_of_many_partners_watermarks_an_entry_has_what_it_may(
    parts: Parts, relay: Relay, ledger: LedgerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.store.outbox._WATERMARKS_MAX", 2)
    for partner in ("a", "b", "c"):
        await parts.committer.commit(
            Submission(
                gifts=[a_gift("1", partner=partner)], watermark=Watermark(partner, parts.clock())
            )
        )
    await relay.post_all_due()
    stated = [
        sorted(key for key in entry.metadata if "/" in key)
        for entry in ledger.ledger.entries.values()
        if not entry.transfers
    ]
    assert stated == [["complete_until/a", "complete_until/b"], ["complete_until/c"]]


async def test_a_watermark_that_two_lanes_hear_at_once_is_told_once(
    parts: Parts, relay: Relay, ledger: LedgerProcess
) -> None:
    watermark = Watermark("weibo", parts.clock())
    await parts.committer.commit(Submission(gifts=[a_gift("1")]))
    repeat = Submission(gifts=[a_gift("1")], watermark=watermark)
    group = await gather([repeat], parts.catalog)
    await asyncio.gather(*(writer.write(group) for writer in parts.writers))
    await relay.post_all_due()
    stated = [dict(entry.metadata) for entry in ledger.ledger.entries.values()]
    assert sum("complete_until/weibo" in facts for facts in stated) == 1


# A gift of one of two partners with a watermark or without, one with nothing new, a refusal of what
# comes next, an end of all refusals, and a round of posting.
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 1), st.booleans()),
        st.tuples(st.just("repeat"), st.integers(0, 1), st.just(True)),
        st.tuples(st.sampled_from(["refuse", "mend", "post"]), st.just(0), st.just(False)),
    ),
    max_size=20,
)


@pytest.mark.property
@settings(
    max_examples=fewer_every_day(2),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=_STEPS)
async def test_whatever_is_refused_what_is_told_to_be_complete_is(
    parts: Parts,
    relay: Relay,
    ledger: LedgerProcess,
    clock: FixedClock,
    steps: list[tuple[str, int, bool]],
) -> None:
    """The database outlives the examples; each example's partners are its own."""
    example, entries = next(examples), ledger.ledger.entries
    partners = [f"p{example}.{number}" for number in range(2)]
    recorded: dict[str, list[str]] = {partner: [] for partner in partners}
    # By partner and declared time: which batches were there by then.
    complete: dict[tuple[str, str], set[str]] = {}
    declared = itertools.count(1)
    refuses_next = False
    for step, number, has_watermark in [*steps, ("mend", 0, False), ("post", 0, False)]:
        partner = partners[number]
        if step == "refuse":
            refuses_next = True
        elif step == "mend":
            ledger.ledger.refuses.clear()
            clock.advance(timedelta(minutes=2))
        elif step == "post":
            await relay.post_all_due()
        else:
            is_new = step == "send" or not recorded[partner]
            name = f"{len(recorded[partner])}" if is_new else "0"
            watermark = None
            if has_watermark:
                minute = timedelta(minutes=next(declared))
                watermark = Watermark(partner, NOW - timedelta(days=9) + minute)
            committed = await parts.committer.commit(
                Submission(gifts=[a_gift(name, partner=partner)], watermark=watermark)
            )
            if committed.batch_id is not None:
                recorded[partner].append(str(committed.batch_id))
                if refuses_next:
                    ledger.ledger.refuses.add(str(committed.batch_id))
                    refuses_next = False
            if watermark is not None:
                told = watermark.complete_until.isoformat().replace("+00:00", "Z")
                complete[partner, told] = set(recorded[partner])
    posted: set[str] = set()
    latest = dict[str, str]()
    for entry_id, entry in entries.items():
        for key, moment in entry.metadata.items():
            partner = key.removeprefix("complete_until/")
            if partner in partners:
                assert complete[partner, moment] <= posted
                assert latest.get(partner, "") < moment, "each is news"
                latest[partner] = moment
        posted.add(entry_id)
    assert latest == dict(sorted(complete))
    assert set(itertools.chain(*recorded.values())) <= posted
    assert await parts.query("SELECT 1 FROM declared_watermarks UNION SELECT 1 FROM outbox") == []
