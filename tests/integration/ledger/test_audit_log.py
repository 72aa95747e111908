"""The audit makes the tree again, and finds what was changed after it was signed."""

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.ledger.log.note import Signer
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.log_parts import NEXT, SIGNER, LogParts
from tests.integration.ledger.parts import Parts
from tests.unit.ledger.drafts import draft

# What is changed as the tables' owner, which checks fail, and what the check of the log says.
TAMPERING = [
    (
        "UPDATE entries SET hash = sha256('x') WHERE sequence = 17",
        {"chain", "log"},
        ["node 0 of level 8 is not what entries 1 to 256 make it", "an entry of 6 to 300 was"],
    ),
    (
        "UPDATE entries SET hash = sha256('x') WHERE sequence = 300",
        {"chain", "log"},
        ["the checkpoint at 300 has another root: an entry of 6 to 300"],
    ),
    (
        "UPDATE tree_nodes SET hash = set_bit(hash, 7, 1 - get_bit(hash, 7))",
        {"log"},
        ["node 0 of level 8 is not what entries 1 to 256 make it"],
    ),
    (
        "UPDATE tree_nodes SET position = 1",
        {"log"},
        ["node 0 of level 8 is not kept where it should be"],
    ),
    ("UPDATE tree_nodes SET level = 16", {"log"}, ["node 0 of level 8 is not kept"]),
    ("DELETE FROM tree_nodes", {"log"}, ["node 0 of level 8 is not kept"]),
    ("INSERT INTO tree_nodes VALUES (8, 1, 'x')", {"log"}, ["node 1 of level 8 stands behind"]),
    (
        "UPDATE checkpoints SET size = 6 WHERE size = 5",
        {"log"},
        ["the checkpoint at 6 was signed at 5"],
    ),
    (
        "UPDATE checkpoints SET note = replace(note, '5', '7') WHERE size = 5",
        {"log"},
        ["of the checkpoint at 5, "],
    ),
    ("UPDATE checkpoints SET note = note || 'x'", {"log"}, ["it has not the form"]),
    (
        "DELETE FROM log_keys",
        {"log"},
        ["at 5, it is signed by a key example.com/ledger+", "at 300, "],
    ),
    ("UPDATE log_keys SET verifier_key = verifier_key || '='", {"log"}, ["its base64 is"]),
    (
        "INSERT INTO log_keys VALUES ('example')",
        {"log"},
        ["'example' is no verifier key"],
    ),
    (
        "INSERT INTO checkpoints SELECT 301, note FROM checkpoints WHERE size = 5",
        {"log"},
        ["a checkpoint is of 301 entries, and the books end at entry 300"],
    ),
]


async def fill(parts: Parts, log: LogParts) -> None:
    """Checkpoints at 5 and at 300 entries, the second with two signatures."""
    await parts.post_all(*(draft() for _ in range(5)))
    await log.sign(5)
    await parts.post_all(*(draft() for _ in range(295)))
    await log.sign(300, SIGNER, NEXT)


async def test_a_log_in_order(parts: Parts, log: LogParts) -> None:
    await fill(parts, log)
    report = await parts.audit()
    [check] = [check for check in report.checks if check.name == "log"]
    assert (check.ok, check.covered) == (True, 2), check.detail
    assert report.ok


@pytest.mark.parametrize(
    ("statement", "checks", "details"), TAMPERING, ids=[row[0][:60] for row in TAMPERING]
)
async def test_tampering_is_found(
    parts: Parts,
    log: LogParts,
    urls: DatabaseUrls,
    statement: str,
    checks: set[str],
    details: list[str],
) -> None:
    await fill(parts, log)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(statement.encode())
    report = await parts.audit()
    failed = {check.name: check for check in report.checks if not check.ok}
    assert failed.keys() == checks
    for detail in details:
        assert detail in failed["log"].detail


async def test_books_that_were_written_anew_are_found_by_what_was_signed(
    parts: Parts, log: LogParts, urls: DatabaseUrls
) -> None:
    """Whoever makes a whole chain anew, without a gap, has no signature over it."""
    await fill(parts, log)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(
            """TRUNCATE entries, transfers, balances, totals, watermarks;
            UPDATE head SET sequence = 0, hash = decode(repeat('00', 32), 'hex')"""
        )
    await parts.post_all(*(draft() for _ in range(300)))
    failed = {check.name: check.detail for check in (await parts.audit()).checks if not check.ok}
    assert failed.keys() == {"log"}
    assert "an entry of 1 to 5 was changed after it was signed" in failed["log"]


async def test_a_key_that_is_only_on_the_list_signs_nothing(parts: Parts, log: LogParts) -> None:
    """Whoever may write to the database could put a key of his own there, and sign with it."""
    await fill(parts, log)
    own = [SIGNER.verifier_key, NEXT.verifier_key]
    assert (await parts.audit(own_keys=own)).ok
    await parts.post_all(draft())
    await log.sign(301, Signer(SIGNER.origin, Ed25519PrivateKey.generate()))
    report = await parts.audit(own_keys=own)
    [failed] = [check for check in report.checks if not check.ok]
    assert failed.name == "log"
    assert "the checkpoint at 301 is signed by no key that this ledger signs with" in failed.detail


async def test_a_key_is_changed_while_both_sign(parts: Parts, log: LogParts) -> None:
    await fill(parts, log)
    await parts.post_all(draft())
    await log.sign(301, NEXT)
    assert (await parts.audit(own_keys=[NEXT.verifier_key])).ok
