"""The audit of positions: it finds what is booked otherwise than the reports say."""

import psycopg
import pytest

from services.donations.commit.submission import Submission
from services.donations.domain import Rail
from services.donations.proof.positions import Difference, check_positions
from services.donations.store.rederiving import LifeReader
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.parts import Parts, write
from tests.unit.donations.gifts import a_gift, a_refund

ORIGIN = a_gift("order-1", partner="bytedance", rail=Rail("tencent", "4200"), amount_micros=100)
RAIL = a_gift("4200", partner="tencent", amount_micros=100)


async def check(parts: Parts) -> tuple[int, list[Difference]]:
    """How many gifts were looked at, and what differs."""
    gifts, differences = 0, []
    async for part in check_positions(LifeReader(parts.engine)):
        gifts += part.gifts
        differences += part.differences
    return gifts, differences


async def fill(parts: Parts) -> None:
    """A gift with a refund, one that two companies report, and one that nothing happened to."""
    for submission in (
        Submission(gifts=[a_gift()], refunds=[a_refund()]),
        Submission(gifts=[RAIL]),
        Submission(gifts=[ORIGIN]),
        Submission(gifts=[a_gift("quiet")]),
        Submission(refunds=[a_refund(external_id="never-comes")]),
    ):
        await write(parts, parts.writers[0], submission)


async def test_what_is_booked_follows_from_the_reports(parts: Parts) -> None:
    assert await check(parts) == (0, [])
    await fill(parts)
    gifts, differences = await check(parts)
    # The refunded one, the two of one gift, and the refund that waits.
    assert (gifts, differences) == (4, [])


async def test_what_is_still_to_be_booked_is_no_difference(parts: Parts) -> None:
    await write(parts, parts.writers[0], Submission(refunds=[a_refund()]))
    await write(parts, parts.writers[0], Submission(gifts=[a_gift()]))
    assert (await check(parts))[1] == []
    await parts.sweeper.sweep()
    assert (await check(parts))[1] == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE moves SET amount_micros = amount_micros + 1", "its moves come to REFUND 230,001"),
        ("DELETE FROM moves", "its moves come to none, and its reports to REFUND 230,000"),
        ("UPDATE moves SET number = number + 1", "not numbered from 1"),
        ("UPDATE positions SET state = 5", "is kept as REFUNDED after"),
        ("UPDATE positions SET refunded_micros = 7", "7 refunded"),
        ("DELETE FROM positions", "its position is not kept"),
        ("UPDATE refunds SET amount_micros = 1", "its reports to REFUND 1"),
        ("DELETE FROM links", "its moves come to JOIN 100, and its reports to none"),
        ("DELETE FROM donations WHERE external_id = '4200'", "1 moves and is not recorded"),
    ],
)
async def test_tampering_is_found(
    parts: Parts, urls: DatabaseUrls, statement: str, told: str
) -> None:
    await fill(parts)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(statement.encode())
    _, differences = await check(parts)
    assert any(told in difference.detail for difference in differences), differences
