"""The audit of holds, reversals and decisions finds whatever is changed, and says where."""

import psycopg
import pytest

from services.ledger.domain import AccountLimit, AccountState
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Parts
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import draft, gift
from tests.unit.ledger.stepped import (
    FUND,
    POOL,
    back,
    commit,
    decision,
    hold,
    pledge,
    reversal,
    void,
)

# What is changed as the tables' owner, and what the checks of holds or balances then say.
TAMPERING = [
    ("UPDATE steps SET of_sequence = 1 WHERE sequence = 4", "4/0 ends no hold that stands before"),
    ("UPDATE steps SET kind = 3 WHERE sequence = 4", "4/0 is not like the hold that it ends"),
    ("UPDATE transfers SET amount_micros = 41 WHERE sequence = 4", "4/0 is not like the hold"),
    ("UPDATE reserved SET amount_micros = 29 WHERE sequence = 2", "4/0 is not like the hold"),
    ("UPDATE reserved SET campaign = 'x' WHERE sequence = 5", "5/0 is not like the hold"),
    ("UPDATE reserved SET amount_micros = 9 WHERE sequence = 12", "of account id"),
    ("DELETE FROM steps WHERE sequence = 5", "of account id"),
    ("UPDATE steps SET expire_time = NULL WHERE sequence = 6", "7/0 ends its hold before or"),
    (
        "UPDATE steps SET expire_time = expire_time + interval '1 day' WHERE sequence = 6",
        "7/0 ends its hold before or after",
    ),
    (
        "UPDATE steps SET expire_time = '2019-09-05T12:00Z' WHERE sequence = 2 AND position = 0",
        "4/0 ends its hold before or after",
    ),
    ("UPDATE head SET next_expiry = '2030-01-01Z'", "12/0 is over before the next expiry"),
    ("UPDATE head SET next_expiry = NULL", "12/0 is over before the next expiry"),
    ("UPDATE balances SET held_debits = held_debits + 1 WHERE account_id = 2", "of account id 2"),
    ("UPDATE steps SET of_position = 1 WHERE sequence = 9", "9/0 reverses nothing that moved"),
    ("UPDATE entries SET reverses = 1 WHERE sequence = 9", "9/0 reverses nothing that moved"),
    (
        "UPDATE transfers SET amount_micros = 11 WHERE sequence = 9",
        "8/0 is reversed beyond what it moved",
    ),
    ("UPDATE transfers SET count = 2 WHERE sequence = 9", "8/0 is reversed beyond what it moved"),
    ("UPDATE balances SET state = 1 WHERE state = 2", "another state or limit than was decided"),
    ("UPDATE balances SET account_limit = 1", "another state or limit than was decided"),
    (
        """UPDATE entries SET metadata = metadata || '{"account/state": "CLOSED"}'
           WHERE sequence = 10""",
        "another state or limit than was decided",
    ),
    (
        """UPDATE entries SET metadata = metadata || '{"account/state": "MELTED"}'
           WHERE sequence = 10""",
        "entry 10: a decision on an account",
    ),
]


async def fill(parts: Parts, clock: FixedClock) -> None:
    """Holds that were committed, voided and over, and one that is open; a reversal; decisions."""
    await parts.post_all(draft(pledge(1_000)))
    await parts.post_all(draft(hold(40, minutes=60)), draft(hold(10, minutes=120)))
    await parts.post_all(draft(commit(30, 2)))
    await parts.post_all(draft(void(10, 3)))  # entry 5
    await parts.post_all(draft(hold(7, minutes=1)))
    clock.advance(90)
    await parts.post_all(draft(gift(10)))  # entry 8, behind the expiry
    await parts.post_all(reversal(back(gift(10), 8, micros=9, tally=0), of=8))
    await parts.writer.decide(decision(FUND, AccountState.FROZEN))
    await parts.writer.decide(decision(POOL, limit=AccountLimit.NONE))
    await parts.post_all(draft(hold(5, minutes=600)._replace(credit="charity/amity/bank")))


async def test_holds_in_order(parts: Parts, clock: FixedClock) -> None:
    await fill(parts, clock)
    report = await parts.audit()
    assert report.ok, report.checks
    (check,) = [check for check in report.checks if check.name == "holds"]
    assert check.covered == 8


@pytest.mark.parametrize(("statement", "detail"), TAMPERING, ids=[row[0][:70] for row in TAMPERING])
async def test_tampering_is_found_and_named(
    parts: Parts, clock: FixedClock, urls: DatabaseUrls, statement: str, detail: str
) -> None:
    await fill(parts, clock)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(statement.encode())
    report = await parts.audit()
    assert not report.ok
    told = " | ".join(check.detail for check in report.checks if not check.ok)
    assert detail in told
