"""The log: when it signs, what it proves, and what it refuses to continue."""

import asyncio
from collections.abc import Awaitable
from typing import NoReturn

import psycopg
import pytest

from services.cli.verifying.merkle import continues, includes, leaf_of
from services.ledger import metrics
from services.ledger.journal.entries import Entries
from services.ledger.log.note import keys_of, opened
from services.ledger.log.signing import Log, LogPace
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.log_parts import EAGER, NEXT, SIGNER, LogParts
from tests.integration.ledger.parts import Parts
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import draft, new_id


async def post(parts: Parts, count: int) -> None:
    await parts.post_all(*(draft() for _ in range(count)))


async def test_what_is_posted_is_signed_soon(parts: Parts, log: LogParts) -> None:
    async with log.running():
        await post(parts, 3)
        await log.signed(3)
        await post(parts, 2)
        await log.signed(5)
    assert await log.store.keys() == [SIGNER.verifier_key]
    latest = await log.store.latest()
    assert latest is not None
    head = opened(latest.note, keys_of(await log.store.keys()))
    assert (head.origin, head.size) == ("example.com/ledger", 5)


async def test_enough_entries_are_signed_at_once(parts: Parts, log: LogParts) -> None:
    async with log.running(LogPace(entries=4, seconds=3_600.0)) as (signing, _):
        await post(parts, 3)
        signing.committed(Entries(await parts.reading.head(), parts.clock()))
        await post(parts, 1)
        signing.committed(Entries(await parts.reading.head(), parts.clock()))
        await log.signed(4)
    assert await log.sizes() == [4]


async def test_what_this_process_has_sealed_need_not_be_read(
    parts: Parts, log: LogParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unread(_after: int, _until: int) -> NoReturn:
        pytest.fail("entries were read")

    pace = LogPace(entries=300, seconds=3_600.0, page_entries=70)
    async with log.running(pace) as (signing, _):
        monkeypatch.setattr(
            parts.writer, "_committed", lambda plan: signing.committed(plan.entries)
        )
        with monkeypatch.context() as patch:
            patch.setattr(log.store, "links", unread)
            await post(parts, 299)
            await post(parts, 2)
            await log.signed(301)
        await post(parts, 1)
    await log.sign(302)  # goes on from what it reads
    report = await parts.audit()
    assert report.ok, report.checks


async def test_every_entry_is_proved_at_every_checkpoint(parts: Parts, log: LogParts) -> None:
    """Sizes on both sides of what is kept: 256 entries a node."""
    sizes = [1, 2, 7, 255, 256, 257, 300, 700]
    for before, size in zip([0, *sizes], sizes, strict=False):
        await post(parts, size - before)
        await log.sign(size)
    assert await log.sizes() == sizes
    keys = keys_of(await log.proofs.keys())
    heads = {size: opened((await log.proofs.checkpoint(size)).note, keys) for size in sizes}
    entries = {entry.sequence: entry for entry in await parts.entries()}
    for size in sizes:
        for sequence in {1, 2, 3, 128, 254, 255, 256, 257, 258, 300, 512, 513, 699, 700}:
            if sequence > size:
                continue
            proof = await log.proofs.inclusion(sequence, size)
            assert proof.checkpoint.size == size
            assert proof.entry_hash == entries[sequence].hash
            leaf = leaf_of(proof.entry_hash)
            assert includes(heads[size].root, size, sequence - 1, leaf, proof.hashes)
    for first in sizes:
        for second in sizes[sizes.index(first) :]:
            between = await log.proofs.consistency(first, second)
            old, new = heads[first].root, heads[second].root
            assert continues(first, old, second, new, between.hashes)
    by_id = await log.proofs.inclusion(entries[300].draft.entry_id, 0)
    assert (by_id.sequence, by_id.checkpoint.size) == (300, 700)


async def test_what_cannot_be_proved_is_said(parts: Parts, log: LogParts) -> None:
    async def reason(call: Awaitable[object]) -> Fault:
        with pytest.raises(Fault) as caught:
            await call
        return caught.value

    proofs = log.proofs
    assert (await reason(proofs.checkpoint(0))).reason is Reason.CHECKPOINT_NOT_FOUND
    await post(parts, 3)
    await log.sign(3)
    await post(parts, 1)
    assert (await reason(proofs.checkpoint(2))).reason is Reason.CHECKPOINT_NOT_FOUND
    early = await reason(proofs.inclusion(4, 0))
    assert (early.reason, early.retry_after) == (Reason.ENTRY_NOT_IN_LOG, 3.0)
    late = await reason(proofs.inclusion(4, 3))
    assert (late.reason, late.retry_after) == (Reason.ENTRY_NOT_IN_LOG, None)
    assert (await reason(proofs.inclusion(5, 0))).reason is Reason.ENTRY_NOT_FOUND
    assert (await reason(proofs.inclusion(new_id(), 0))).reason is Reason.ENTRY_NOT_FOUND
    assert (await reason(proofs.consistency(0, 3))).reason is Reason.FIELD_REQUIRED
    assert (await reason(proofs.consistency(2, 3))).reason is Reason.CHECKPOINT_NOT_FOUND
    await log.sign(4)
    assert (await reason(proofs.consistency(4, 3))).reason is Reason.FIELD_INVALID


async def test_a_changed_key_signs_beside_the_old_one(parts: Parts, log: LogParts) -> None:
    await post(parts, 1)
    await log.sign(1, SIGNER)
    await post(parts, 1)
    await log.sign(2, SIGNER, NEXT)
    await post(parts, 1)
    await log.sign(3, NEXT)
    keys = keys_of(await log.store.keys())
    assert len(keys) == 2
    for size in (1, 2, 3):
        found = await log.proofs.checkpoint(size)
        assert opened(found.note, keys).size == size
        assert found.note.count("— ") == (2 if size == 2 else 1)


async def test_two_logs_on_one_database_sign_the_same(parts: Parts, log: LogParts) -> None:
    async with log.running(), log.running():
        for size in range(1, 8):
            await post(parts, 1)
            await log.signed(size)
    report = await parts.audit()
    assert report.ok, report.checks


async def test_a_lot_of_old_entries_is_signed_in_several_trees(parts: Parts, log: LogParts) -> None:
    await post(parts, 300)
    pace = LogPace(entries=1, seconds=0.05, page_entries=64, tree_entries=128)
    async with log.running(pace):
        await log.signed(300)
    assert await log.sizes() == [128, 256, 300]


CHANGES: list[tuple[str, str]] = [
    ("UPDATE entries SET hash = sha256('x') WHERE sequence = 2", "not those that were signed"),
    # One character of the signature: to the next of two, whatever it is.
    (
        (
            "UPDATE checkpoints SET note = overlay(note PLACING "
            "CASE substr(note, length(note) - 8, 1) WHEN 'A' THEN 'B' ELSE 'A' END "
            "FROM length(note) - 8 FOR 1)"
        ),
        "of the checkpoint at 3",
    ),
    ("UPDATE checkpoints SET size = 2", "are not those that were signed"),
    ("DELETE FROM log_keys", "not on the list"),
    ("UPDATE entries SET previous_hash = sha256('x') WHERE sequence = 4", "does not link"),
    ("DELETE FROM entries WHERE sequence = 4", "entry 4 is missing"),
]


@pytest.mark.parametrize(("change", "told"), CHANGES)
async def test_what_was_signed_is_not_continued_with_other_books(
    parts: Parts,
    log: LogParts,
    urls: DatabaseUrls,
    change: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await post(parts, 3)
    await log.sign(3)
    await post(parts, 1)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(change.encode())
    metrics.LOG_BROKEN.set(0)
    async with log.running(EAGER, NEXT) as (_, task), asyncio.timeout(20):
        await task
    assert metrics.LOG_BROKEN._value.get() == 1
    metrics.LOG_BROKEN.set(0)
    assert told in "".join(capsys.readouterr())
    assert len(await log.sizes()) == 1


async def test_nothing_is_signed_without_a_key(parts: Parts, log: LogParts) -> None:
    await post(parts, 1)
    signing = Log(log.store, [], FixedClock(parts.clock()), EAGER)
    await asyncio.wait_for(signing.run(), 5)
    assert await log.sizes() == []
