"""What is read back: gifts, pages, and batches added up again."""

import asyncio
from dataclasses import replace

import psycopg
import pytest

from services.donations.commit.submission import Submission
from services.donations.domain import bucket_of
from services.donations.gifts.batch import BatchSummary
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.parts import Parts, write
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund


async def test_every_batch_adds_up_to_what_the_ledger_is_told(parts: Parts) -> None:
    gifts = [a_gift(f"{n}", project=("water", "nowhere", "books")[n % 3]) for n in range(60)]
    refunds = [
        a_refund(f"r{n % 2}", external_id=f"{n // 2}", amount_micros=800_000) for n in range(80)
    ]
    one, other = parts.writers
    await write(parts, one, Submission(refunds=refunds[:40]))
    await asyncio.gather(
        write(parts, one, Submission(gifts=gifts[:40])),
        write(parts, other, Submission(gifts=gifts[20:], refunds=refunds[30:])),
    )
    await parts.sweeper.sweep()
    running = [replace(r, refund_id="total", cumulative=True) for r in refunds[:10]]
    await write(parts, one, Submission(refunds=running[:5]))
    await write(parts, other, Submission(refunds=running))
    await parts.require_balanced()
    assert len(await parts.summaries()) >= 5


async def test_a_change_of_any_row_shows_in_its_batch(parts: Parts, urls: DatabaseUrls) -> None:
    await write(parts, parts.writers[0], Submission(gifts=[a_gift("a"), a_gift("b")]))
    [before] = await parts.summaries()
    with psycopg.connect(urls.owner) as connection:
        connection.execute("UPDATE donations SET external_id = 'c' WHERE external_id = 'b'")
    [after] = await parts.summaries()
    assert after.digest != before.digest
    assert after.lines == before.lines


async def test_many_batches_come_in_pages_of_one_snapshot(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.store.summary._BATCHES_AT_ONCE", 3)
    monkeypatch.setattr("services.donations.store.summary._GIFTS_AT_ONCE", 5)
    for number in range(8):
        gifts = [a_gift(f"{number}-{n}") for n in range(1 + number % 4)]
        await write(parts, parts.writers[0], Submission(gifts=gifts))
    await parts.require_balanced()
    everything = await parts.summaries()
    rest = [summary async for summary in parts.batches.summaries(everything[4].id)]
    assert rest == everything[5:]
    seen: list[BatchSummary] = []
    async for summary in parts.batches.summaries(None):
        if not seen:
            await write(parts, parts.writers[0], Submission(gifts=[a_gift("later")]))
        seen.append(summary)
    assert seen == everything


async def test_gifts_are_found_and_listed_in_a_stable_order(parts: Parts) -> None:
    gifts = [a_gift(f"{n:03}") for n in range(50)]
    await write(
        parts,
        parts.writers[0],
        Submission(gifts=gifts),
        Submission(
            refunds=[
                a_refund(
                    "r2", external_id="007", amount_micros=2_000_000, event_time_micros=NOW_MICROS
                ),
                a_refund("r1", external_id="007"),
            ]
        ),
    )
    await write(parts, parts.writers[0], Submission(gifts=[a_gift("007", partner="xiaomi")]))
    partner_id = await parts.catalog.partner_id("weibo")
    found = await parts.reader.life("weibo", partner_id, "007")
    assert found is not None
    assert found.gift == gifts[7]
    assert found.refunded_micros == gifts[7].amount_micros
    assert [refund.refund_id for refund in found.refunds] == ["r1", "r2"]
    assert await parts.reader.gift("weibo", partner_id, "nothing") is None

    listed, after = [], None
    while page := await parts.reader.page("weibo", partner_id, after, 7):
        listed += [recorded.gift.external_id for recorded in page]
        after = bucket_of(listed[-1]), listed[-1]
    assert listed == sorted((g.external_id for g in gifts), key=lambda i: (bucket_of(i), i))
