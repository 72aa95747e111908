"""Seals: who carries those of transactions without a batch, and what was recorded before them."""

import hashlib
import struct
from collections.abc import Sequence

import psycopg

from services.donations.commit.submission import Submission
from services.donations.domain import Key, bucket_of
from services.donations.gifts.batch import Seal, digest_of
from services.donations.proof.records import Proved, check_records
from services.donations.store.proving import ProofReader
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.parts import Parts, write
from tests.support.clock import FixedClock
from tests.unit.donations.gifts import NOW, a_gift, a_refund

TOKEN = b"0123456789abcdef"


async def proved(parts: Parts) -> list[Proved]:
    return [part async for part in check_records(ProofReader(parts.engine))]


def differences(parts: Sequence[Proved]) -> list[str]:
    return [difference for part in parts for difference in part.differences]


async def test_a_batch_of_gifts_alone_has_no_seals_and_a_digest_of_all(parts: Parts) -> None:
    gift = a_gift(donor_token=TOKEN)
    recorded = await write(parts, parts.writers[0], Submission(gifts=[gift]))
    assert await parts.query("SELECT * FROM seals WHERE id = :id", id=recorded.batch_id) == []
    [batch] = [each for each in await parts.summaries() if each.id == recorded.batch_id]
    [(partner_id,)] = await parts.query("SELECT id FROM partners WHERE code = 'weibo'")
    [(project_id,)] = await parts.query("SELECT id FROM projects WHERE code = 'water'")
    assert recorded.batch_id is not None
    key = Key(bucket_of(gift.external_id), partner_id, gift.external_id)
    row = _row(key, gift.amount_micros, project_id, gift.event_time_micros)
    row += struct.pack(">i", 16) + TOKEN + struct.pack(">i", 16) + recorded.batch_id.bytes
    gifts = hashlib.sha256(struct.pack(">h", 10) + row).digest()
    carried = await parts.query(
        "SELECT s.* FROM seals s JOIN carried_seals c ON c.seal_id = s.id ORDER BY s.id, number"
    )
    assert carried, "the catalog's decisions"
    seals = [Seal(*seal) for seal in carried]
    assert batch.digest == digest_of(gifts, NOW, 1, seals)
    assert batch.digest != digest_of(gifts, NOW, 1, seals[1:])
    assert batch.differences == []


def _row(key: Key, micros: int, project_id: int, event_time_micros: int) -> bytes:
    since_2000 = event_time_micros - 946_684_800_000_000
    name = key.external_id.encode()
    return b"".join(
        (
            struct.pack(">ihih", 2, key.bucket, 2, key.partner_id),
            struct.pack(">i", len(name)) + name,
            struct.pack(">iq", 8, micros) + struct.pack(">i", 3) + b"CNY",
            struct.pack(">iiii", 4, project_id, 4, 0),
            struct.pack(">iq", 8, since_2000),
        )
    )


async def test_loose_seals_are_carried_by_a_later_batch(parts: Parts, clock: FixedClock) -> None:
    writer = parts.writers[0]
    first = await write(parts, writer, Submission(gifts=[a_gift("1")]))
    assert await parts.query("SELECT * FROM loose_seals") == []
    alone = await write(parts, writer, Submission(refunds=[a_refund(external_id="none")]))
    assert alone.batch_id is None
    [(loose,)] = await parts.query("SELECT seal_id FROM loose_seals")
    # Not at once: a lane looks for loose ones once a second.
    await write(parts, writer, Submission(gifts=[a_gift("2")]))
    assert await parts.query("SELECT * FROM loose_seals") == [(loose,)]
    assert differences(await proved(parts)) == []
    clock.advance(1)
    third = await write(parts, writer, Submission(gifts=[a_gift("3")]))
    assert await parts.query("SELECT * FROM loose_seals") == []
    carried = await parts.query("SELECT batch_id FROM carried_seals WHERE seal_id = :id", id=loose)
    assert carried == [(third.batch_id,)]
    assert {first.batch_id, third.batch_id} <= {row.id for row in await parts.summaries()}
    assert [batch.differences for batch in await parts.summaries()] == [[], [], []]
    assert differences(await proved(parts)) == []
    await parts.require_balanced()


async def test_what_is_repeated_makes_no_seal(parts: Parts) -> None:
    writer = parts.writers[0]
    report = Submission(gifts=[a_gift()], refunds=[a_refund()])
    await write(parts, writer, report)
    before = await parts.query("SELECT * FROM seals ORDER BY id, number")
    await write(parts, writer, report)
    assert await parts.query("SELECT * FROM seals ORDER BY id, number") == before


async def test_what_was_recorded_before_there_were_seals(parts: Parts, urls: DatabaseUrls) -> None:
    """It is counted and no difference; its batch's digest is of the gifts alone."""
    gift = a_gift(donor_token=TOKEN)
    recorded = await write(parts, parts.writers[0], Submission(gifts=[gift]))
    await write(parts, parts.writers[0], Submission(refunds=[a_refund(external_id="none")]))
    [row] = await parts.query("SELECT bucket, partner_id, project_id FROM donations")
    key = Key(row.bucket, row.partner_id, gift.external_id)
    fields = _row(key, gift.amount_micros, row.project_id, gift.event_time_micros)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(
            "TRUNCATE seals, carried_seals, loose_seals, project_closures, closure_decisions"
        )
        for table in ("partners", "charities", "projects", "campaigns", "refunds"):
            connection.execute(f"UPDATE {table} SET seal_id = NULL".encode())
        connection.execute(
            "UPDATE batches SET digest_version = 1, digest = %s WHERE id = %s",
            [hashlib.sha256(fields).digest(), recorded.batch_id],
        )
    [batch] = await parts.summaries()
    assert batch.differences == []
    found = await proved(parts)
    assert differences(found) == []
    assert {part.table: part.unsealed for part in found if part.unsealed} == {
        "partners": 1,
        "charities": 1,
        "projects": 4,
        "campaigns": 2,
        "refunds": 1,
    }
