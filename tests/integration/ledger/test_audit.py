"""The audit finds whatever is changed behind the service's back, and says where."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from services.ledger.audit.auditor import Report
from services.ledger.audit.batches import BatchSummary
from services.ledger.audit.check import Check
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Parts
from tests.unit.ledger.drafts import draft, gift, refund, suspended

# What is changed as the tables' owner, which checks fail, and what their details name.
TAMPERING = [
    (
        "UPDATE transfers SET amount_micros = 10 WHERE sequence = 2 AND position = 0",
        {"chain", "balances", "totals"},
        ["entry 2 ", "partner/alipay/claimed in CNY", "CLAIMED of campaign '95week'"],
    ),
    ("UPDATE transfers SET campaign = 'x' WHERE sequence = 2", {"chain", "totals"}, ["entry 2 "]),
    (
        "UPDATE transfers SET project = 'x' WHERE sequence = 2 AND position = 0",
        {"chain", "totals"},
        ["entry 2 ", "project 'x'"],
    ),
    (
        "UPDATE transfers SET hour = hour + interval '1 hour' WHERE sequence = 2",
        {"chain", "totals"},
        ["entry 2 ", "hour 2019-09-05T13Z"],
    ),
    ("UPDATE transfers SET hour = NULL WHERE sequence = 2", {"chain", "totals"}, ["entry 2 "]),
    (
        "UPDATE transfers SET count = count + 1 WHERE sequence = 2 AND position = 0",
        {"chain", "totals"},
        ["entry 2 "],
    ),
    (
        "UPDATE transfers SET position = 7 WHERE sequence = 2 AND position = 1",
        {"chain"},
        ["entry 2 has no transfer at position 1"],
    ),
    (
        "UPDATE transfers SET debit_account_id = 99 WHERE sequence = 2 AND position = 0",
        {"chain", "balances", "totals"},
        ["entry 2 names an unknown account", "id 99 "],
    ),
    (
        # To the same code in another currency: the canonical text names only one currency.
        """UPDATE transfers SET credit_account_id =
           (SELECT id FROM accounts WHERE code = 'project/well/fund' AND currency = 'USD')
           WHERE sequence = 2 AND position = 0""",
        {"chain", "balances"},
        ["entry 2 crosses currencies", "project/well/fund in USD"],
    ),
    (
        "DELETE FROM transfers WHERE sequence = 2 AND position = 2",
        {"chain", "balances", "totals"},
        ["entry 2 "],
    ),
    (
        """INSERT INTO transfers SELECT 2, 3, debit_account_id, credit_account_id, 1, campaign,
           project, hour, 1 FROM transfers WHERE sequence = 2 AND position = 0""",
        {"chain", "balances", "totals"},
        ["entry 2 "],
    ),
    ("UPDATE entries SET entry_id = gen_random_uuid() WHERE sequence = 2", {"chain"}, ["entry 2 "]),
    (
        "UPDATE entries SET content_hash = sha256('x') WHERE sequence = 2",
        {"chain"},
        ["entry 2 is not what its content hash was made of"],
    ),
    (
        "UPDATE entries SET cause_kind = 9 WHERE sequence = 2",
        {"chain"},
        ["entry 2 has the unknown"],
    ),
    ("UPDATE entries SET cause_id = 'memo-2' WHERE sequence = 2", {"chain"}, ["entry 2 "]),
    (
        "UPDATE entries SET value_time = value_time + interval '1 microsecond' WHERE sequence = 2",
        {"chain"},
        ["entry 2 "],
    ),
    (
        (
            "UPDATE entries SET recorded_time = recorded_time + interval '1 microsecond' "
            "WHERE sequence = 2"
        ),
        {"balances", "chain"},
        ["entry 2 is not what its hash was made of", "entry 3 was recorded before"],
    ),
    (
        "UPDATE entries SET recorded_time = 'infinity' WHERE sequence = 2",
        {"balances", "chain", "totals"},
        ["behind entry 1 a stored value cannot be read: timestamp too large"],
    ),
    (
        'UPDATE entries SET metadata = \'{"gifts": "2"}\' WHERE sequence = 2',
        {"chain", "totals"},
        ["entry 2 "],
    ),
    (
        "UPDATE entries SET metadata = '{\"gifts\": 1}' WHERE sequence = 1",
        {"chain"},
        ["entry 1 has meta"],
    ),
    ("UPDATE entries SET metadata = '[1]' WHERE sequence = 1", {"chain"}, ["entry 1 has meta"]),
    (
        "UPDATE entries SET previous_hash = sha256('x') WHERE sequence = 2",
        {"chain"},
        ["entry 2 does not link"],
    ),
    (
        "UPDATE entries SET hash = sha256('x') WHERE sequence = 2",
        {"chain"},
        ["entry 2 is not what its hash", "entry 3 does not link"],
    ),
    (
        "UPDATE entries SET sequence = 9 WHERE sequence = 3",
        {"balances", "chain"},
        ["entry 9 follows entry 2", "entry 3 stand there without the entry"],
    ),
    (
        "DELETE FROM entries WHERE sequence = 2",
        {"balances", "chain", "totals"},
        ["entry 3 follows entry 1"],
    ),
    (
        "DELETE FROM entries WHERE sequence = 3",
        {"balances", "chain"},
        ["head names entry 3 of", "last entry is entry 2 of"],
    ),
    (
        "DELETE FROM entries WHERE sequence = 3; DELETE FROM transfers WHERE sequence = 3",
        {"chain", "balances", "totals"},
        ["head names entry 3"],
    ),
    (
        """DELETE FROM entries WHERE sequence = 3; DELETE FROM transfers WHERE sequence = 3;
           UPDATE head SET (sequence, hash) = (SELECT sequence, hash FROM entries
           WHERE sequence = 2)""",
        {"balances", "totals"},
        ["partner/tencent/claimed in CNY"],
    ),
    ("UPDATE head SET hash = sha256('x')", {"chain"}, ["head names entry 3"]),
    (
        "UPDATE head SET sequence = 2",
        {"chain", "totals"},
        ["head names entry 2", "the entries from 4 to 3 as uncounted, and the last is entry 2"],
    ),
    ("UPDATE head SET recorded_time = now()", {"chain"}, ["head names entry 3"]),
    ("UPDATE head SET recorded_time = NULL", {"chain"}, ["entry 3 of None"]),
    (
        (
            "UPDATE accounts SET code = 'project/road/fund' WHERE code = 'project/well/fund' "
            "AND currency = 'CNY'"
        ),
        {"chain", "balances"},
        ["entry 1 ", "project/road/fund in CNY has another kind or owner"],
    ),
    (
        "UPDATE accounts SET code = 'bank' WHERE code = 'project/well/fund' AND currency = 'CNY'",
        {"chain", "balances", "totals"},
        ["bank in CNY is not in the chart"],
    ),
    (
        "UPDATE accounts SET currency = 'EUR' WHERE currency = 'USD'",
        {"chain", "totals"},
        ["entry 1 "],
    ),
    (
        "UPDATE accounts SET kind = 1 WHERE code = 'project/well/fund'",
        {"balances"},
        ["another kind"],
    ),
    ("UPDATE accounts SET owner = 'x' WHERE id = 1", {"balances"}, ["another kind or owner"]),
    (
        (
            "UPDATE balances SET debits = debits + 1 WHERE account_id = "
            "(SELECT id FROM accounts WHERE code = 'partner/tencent/claimed')"
        ),
        {"balances", "trial_balance"},
        ["partner/tencent/claimed in CNY is kept as debits 6 and", "add up to debits 5 and"],
    ),
    (
        "UPDATE balances SET debits = debits + 1, credits = credits + 1 WHERE account_id = 1",
        {"balances"},
        ["is kept as"],
    ),
    (
        "DELETE FROM balances WHERE account_id = 1",
        {"balances", "trial_balance"},
        ["is kept as nothing"],
    ),
    ("INSERT INTO balances VALUES (77, 0, 0)", {"balances"}, ["id 77 has transfers or a balance"]),
    (
        "UPDATE totals SET micros = micros + 1 WHERE partner = 'tencent'",
        {"totals"},
        ["partner 'tencent'", "is kept as 6 (1), and the transfers make it 5 (1)"],
    ),
    (
        "UPDATE accounts SET create_time = create_time + interval '1 hour' WHERE id = 1",
        {"balances"},
        ["is kept as opened at 2019-09-05 13:00", "the first entry on it is of 2019-09-05 12:00"],
    ),
    ("UPDATE totals SET count = 9 WHERE state = 7", {"totals"}, ["SUSPENSE of campaign"]),
    ("UPDATE totals SET state = 2 WHERE state = 7", {"totals"}, ["SUSPENSE", "SETTLED"]),
    ("UPDATE totals SET state = 99 WHERE state = 7", {"totals"}, ["cannot be read"]),
    ("UPDATE totals SET campaign = 'x' WHERE state = 7", {"totals"}, ["campaign 'x'"]),
    ("DELETE FROM totals WHERE partner = 'tencent'", {"totals"}, ["is kept as 0 (0)"]),
    (
        "INSERT INTO totals VALUES ('~', 'zzz', '2030-01-01', 'alipay', 1, 'CNY', 5, 1)",
        {"totals"},
        ["project 'zzz'", "the transfers make it 0 (0)"],
    ),
    ("UPDATE entries SET version = 1 WHERE sequence = 2", {"chain"}, ["entry 2 is of no version"]),
    ("UPDATE entries SET version = 9 WHERE sequence = 2", {"chain"}, ["entry 2 is of no version"]),
    (
        "UPDATE entries SET version = 1, value_date = NULL, book_date = NULL WHERE sequence = 2",
        {"chain"},
        ["entry 2 is not what its hash was made of"],
    ),
    (
        "UPDATE entries SET value_date = value_date + 1 WHERE sequence = 2",
        {"chain"},
        ["entry 2 is not what its hash was made of"],
    ),
    (
        "UPDATE entries SET book_date = book_date + 1 WHERE sequence = 2",
        {"chain", "periods"},
        ["entry 2 is not what its hash was made of"],
    ),
    ("UPDATE entries SET reverses = 1 WHERE sequence = 2", {"chain"}, ["entry 2 "]),
    (
        "INSERT INTO steps VALUES (2, 0, 1, NULL, NULL, NULL)",
        {"chain"},
        ["entry 2 keeps transfer 0 among those that move money"],
    ),
    (
        "INSERT INTO steps VALUES (2, 0, 9, 1, 0, NULL)",
        {"chain"},
        ["entry 2 has a transfer 0 of the unknown kind 9"],
    ),
    (
        "INSERT INTO steps VALUES (2, 0, 5, NULL, NULL, NULL)",
        {"chain", "holds", "totals"},
        ["entry 2 has a transfer 0 that names what it may not"],
    ),
    (
        "INSERT INTO steps VALUES (2, 0, 5, 1, 0, NULL)",
        {"chain", "holds", "totals"},
        ["entry 2 is not what", "transfer 2/0 reverses nothing that moved before it"],
    ),
    ("INSERT INTO steps VALUES (2, 9, 5, 1, 0, NULL)", {"chain"}, ["transfers of an entry 2"]),
    (
        """INSERT INTO reserved
           SELECT 2, 3, debit_account_id, credit_account_id, 1, '', '', NULL, 0
           FROM transfers WHERE sequence = 2 LIMIT 1""",
        {"chain"},
        ["entry 2 keeps transfer 3 among those that move nothing"],
    ),
    (
        "INSERT INTO reserved VALUES (77, 0, 1, 2, 1, '', '', NULL, 0)",
        {"chain"},
        ["transfers of an entry 77"],
    ),
    ("UPDATE watermarks SET complete_until = now()", {"totals"}, ["the watermarks"]),
    ("DELETE FROM watermarks", {"totals"}, ["the watermarks"]),
]


async def fill(parts: Parts) -> None:
    """Three entries in which every kind of row occurs."""
    await parts.post_all(draft(gift(7), gift(5, currency="USD"), gift(2, campaign="")))
    stated = {"gifts": "1", "complete_until/alipay": "2019-09-05T12:00:00Z"}
    await parts.post_all(draft(gift(9), refund(2), suspended(3), metadata=stated))
    await parts.post_all(draft(gift(5, partner="tencent")))


def failed(report: Report) -> dict[str, Check]:
    return {check.name: check for check in report.checks if not check.ok}


async def test_books_in_order(parts: Parts) -> None:
    await fill(parts)
    report = await parts.audit()
    assert report.ok
    assert [(check.name, check.ok, check.covered) for check in report.checks] == [
        ("chain", True, 3),
        ("log", True, 0),
        ("balances", True, 6),
        ("daily_balances", True, 0),
        ("trial_balance", True, 6),
        ("holds", True, 0),
        ("periods", True, 0),
        ("totals", True, 6),
        ("positions", True, 0),
        ("records", True, 0),
        ("batches", True, 0),
    ]
    assert (report.head.sequence, report.head.hash) == (3, (await parts.reader.entry(3)).hash)
    assert report.start_time == report.end_time == parts.clock()


async def test_empty_books_are_in_order(parts: Parts) -> None:
    report = await parts.audit()
    assert report.ok
    assert [check.covered for check in report.checks] == [0] * len(report.checks)


@pytest.mark.parametrize(
    ("statement", "checks", "details"), TAMPERING, ids=[row[0][:70] for row in TAMPERING]
)
async def test_tampering_is_found_and_named(
    parts: Parts, urls: DatabaseUrls, statement: str, checks: set[str], details: list[str]
) -> None:
    await fill(parts)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(statement.encode())
    report = await parts.audit()
    assert not report.ok
    found = failed(report)
    assert found.keys() == checks
    told = " | ".join(check.detail for check in found.values())
    for detail in details:
        assert detail in told


async def test_of_many_findings_the_first_are_told(parts: Parts, urls: DatabaseUrls) -> None:
    await parts.post_all(*(draft() for _ in range(30)))
    with psycopg.connect(urls.owner) as connection:
        connection.execute("UPDATE entries SET cause_id = 'other'")
    chain = failed(await parts.audit())["chain"]
    assert "entry 1 " in chain.detail
    assert chain.detail.endswith("; and 55 more")
    assert chain.covered == 30


async def test_an_audit_sees_one_moment_while_others_post(parts: Parts) -> None:
    """Entries and balances move on during the audit; it must not notice."""
    await fill(parts)

    async def stream() -> AsyncIterator[BatchSummary]:
        await parts.post_all(draft())
        none: tuple[BatchSummary, ...] = ()
        for summary in none:
            yield summary

    report = await parts.audit_with(stream)
    assert report.ok, report.checks
    assert report.head.sequence == 3
    assert (await parts.reading.head()).sequence == 4
