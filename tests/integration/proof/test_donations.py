"""Whatever is changed by hand in intake's database, the audit finds it and says where."""

from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest

from services.donations.models import metadata
from services.ledger.audit.check import Check
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.parts import open_parts
from tests.integration.ledger.parts import open_parts as open_ledger
from tests.integration.proof.document import documented
from tests.integration.proof.example import Both, fill_intake, post
from tests.integration.proof.tampering import (
    Tampered,
    checks_of,
    each_changed,
    places,
    removed,
)
from tests.support.clock import FixedClock

PROVED = documented("donations service's")


@pytest.fixture
async def both(
    donations_urls: DatabaseUrls, ledger_urls: DatabaseUrls, clock: FixedClock
) -> AsyncIterator[Both]:
    """Both services, with a row in every table, in order."""
    async with (
        open_parts(donations_urls.service, clock) as parts,
        open_ledger(ledger_urls.service, clock) as ledger,
    ):
        both = Both(parts, ledger)
        await fill_intake(parts)
        await post(parts, ledger, but=1)
        report = await both.audit()
        assert report.ok, report.checks
        yield both


def test_the_document_names_every_column_and_no_other() -> None:
    assert PROVED.keys() == set(places(metadata))


async def test_whatever_is_changed_is_found_and_named(
    both: Both, donations_urls: DatabaseUrls
) -> None:
    missed = []
    for tampered, checks in each_changed(donations_urls.owner, metadata, PROVED):
        found = [check for check in await both.checks() if not check.ok]
        missed += _missed(found, checks, tampered)
    assert missed == []
    assert (await both.audit()).ok


async def test_whatever_is_taken_away_is_found_and_named(
    both: Both, donations_urls: DatabaseUrls
) -> None:
    missed = []
    tables = {place.table for place, checks in PROVED.items() if checks}
    for table in sorted(tables - {"quarantine"}):  # which may be removed, whole
        with removed(donations_urls.owner, metadata, table) as tampered:
            report = await both.audit()
            assert not report.ok, tampered
            found = [check for check in report.checks if not check.ok]
            missed += _missed(found, checks_of(PROVED, table), tampered)
    assert missed == []
    with removed(donations_urls.owner, metadata, "quarantine"):
        assert (await both.audit()).ok


def _missed(found: Sequence[Check], checks: frozenset[str], tampered: Tampered) -> list[str]:
    told = " ".join(check.detail for check in found)
    failed = {check.name for check in found}
    if failed & checks and any(name in told for name in tampered.names):
        return []
    return [f"{tampered.what}: {sorted(failed)} {told}"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            (
                "INSERT INTO refunds (bucket, partner_id, external_id, refund_id, amount_micros, "
                "currency, cumulative, event_time, recorded_time) "
                "SELECT bucket, partner_id, external_id, 'made-up', 1, "
                "currency, cumulative, event_time, recorded_time + interval '2 days' "
                "FROM refunds WHERE external_id = 'never-comes'"
            ),
            "refunds: 1 rows have no seal",
        ),
        (
            (
                "INSERT INTO links SELECT bucket, partner_id, external_id, 1, 1, 'made-up', NULL "
                "FROM donations WHERE external_id = 'settled'"
            ),
            "links: 1 rows have no seal",
        ),
        (
            "INSERT INTO links VALUES (1, 1, 'made-up', 1, 2, 'x', NULL)",
            "links: the gift made-up of partner id 1 names a rail, and is not recorded",
        ),
        (
            (
                "INSERT INTO allocated SELECT bucket, partner_id, external_id, 1, 0, request_id, "
                "allocate_time, NULL FROM suspended s, (SELECT request_id, allocate_time "
                "FROM allocated LIMIT 1) a WHERE s.external_id = 'left'"
            ),
            "allocated: 1 rows have no seal",
        ),
        (
            "UPDATE allocated SET seal_id = NULL, external_id = 'settled'",
            "allocated: the gift settled of partner id 1 is kept as allocated, and was not in",
        ),
        (
            "UPDATE allocations SET project_id = project_id + 1",
            "is of another, or is not there",
        ),
        (
            "DELETE FROM allocations",
            "allocation_steps: step 1 of request",
        ),
        (
            "UPDATE pledged_orders SET seal_id = NULL, given_micros = given_micros + 10000",
            "order A1 of weibo: it is kept as giving",
        ),
        (
            "INSERT INTO seals SELECT gen_random_uuid(), number, rows, digest FROM seals LIMIT 1",
            "is of no batch, carried by none, and not waiting for one",
        ),
        (
            "UPDATE outbox SET lines = jsonb_set(lines, '{0,6}', '1')",
            "what waits to be posted of it is not what its rows add up to",
        ),
        (
            (
                "UPDATE batches SET posted_sequence = posted_sequence % 2 + 1 "
                "WHERE posted_sequence < 3"
            ),
            "it is kept as acknowledged by entry",
        ),
    ],
)
async def test_what_is_made_up_is_found(
    both: Both, donations_urls: DatabaseUrls, statement: str, told: str
) -> None:
    with psycopg.connect(donations_urls.owner) as connection:
        connection.execute(statement.encode())
    found = [check for check in await both.checks() if not check.ok]
    assert any(told in check.detail for check in found), found


async def test_a_gift_that_counts_by_other_days_than_its_campaigns(
    both: Both, donations_urls: DatabaseUrls
) -> None:
    """Its campaign is moved to another time zone behind the books' back."""
    with psycopg.connect(donations_urls.owner) as connection:
        connection.execute("UPDATE campaigns SET time_zone = 'Europe/London' WHERE code = 'york'")
    found = {check.name: check.detail for check in await both.checks() if not check.ok}
    assert "by the days of Europe/London, its rows add up to" in found["batches"]
    assert "campaigns: seal" in found["records"]
