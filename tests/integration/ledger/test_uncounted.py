"""Totals whose tables do not count the newest entries: as they are read, and who goes on."""

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ledger.domain import INT64_MAX, Cell, EntryDraft, Sums, Uncounted
from services.ledger.journal.totals import changes_of
from services.ledger.posting.writer import WriterLimits
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Engines, Parts, open_parts, parts_on
from tests.support.clock import FixedClock
from tests.support.emptying import Emptier
from tests.support.examples import fewer_every_day
from tests.unit.ledger.drafts import NOON, appealed, draft, gift, refund, suspended
from tests.unit.ledger.stepped import back, reversal
from tests.unit.ledger.strategies import drafts

EXAMPLES = fewer_every_day(4)  # each is three ledgers
LIMITS = (WriterLimits(uncounted_transfers=0), WriterLimits(uncounted_transfers=3), WriterLimits())


async def totals(parts: Parts) -> dict[Cell, Sums]:
    """As they are read, but for cells in which nothing stands."""
    pages = [page async for page in parts.reader.totals(3)]
    rows = [row for page in pages for row in page.rows]
    assert len({row.cell for row in rows}) == len(rows)
    return {row.cell: row.sums for row in rows if any(row.sums)}


def tabled(urls: DatabaseUrls) -> tuple[int, Uncounted]:
    """The sum of what the tables count of charity's, and what the head says they do not."""
    with psycopg.connect(urls.owner) as connection:
        row = connection.execute(
            """SELECT (SELECT coalesce(sum(micros), 0)::bigint FROM totals),
                      uncounted_after, uncounted_through FROM head"""
        ).fetchone()
    assert row is not None
    return row[0], Uncounted(*row[1:])


async def assert_right(parts: Parts, *posted: EntryDraft) -> None:
    changes = changes_of(transfer for one in posted for transfer in one.transfers)
    assert await totals(parts) == {cell: sums for cell, sums in changes.items() if any(sums)}
    report = await parts.audit()
    assert report.ok, report.checks


@pytest.mark.property
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.lists(drafts(), min_size=1, max_size=4), min_size=1, max_size=5))
async def test_totals_are_the_same_however_many_are_uncounted(
    engines: Engines, emptier: Emptier, groups: list[list[EntryDraft]]
) -> None:
    found = []
    for limits in LIMITS:
        emptier.delete()
        async with parts_on(engines, FixedClock(NOON), limits=limits) as parts:
            for group in groups:
                await parts.post(*group)
            found.append(await totals(parts))
            report = await parts.audit()
            assert report.ok, report.checks
    assert found[1:] == found[:1] * 2


@pytest.mark.parametrize("at_once_max", [100, 0], ids=["one statement", "copy"])
async def test_the_tables_follow_once_it_is_worth_it(
    urls: DatabaseUrls, clock: FixedClock, at_once_max: int
) -> None:
    posted = [draft(gift(n), appealed(n), suspended(n)) for n in (1, 2, 4, 8)]
    limits = WriterLimits(uncounted_transfers=7)
    async with open_parts(urls.service, clock, limits=limits, at_once_max=at_once_max) as parts:
        for number, (one, expected) in enumerate(
            zip(
                posted,
                [
                    (0, Uncounted(0, 1)),
                    (0, Uncounted(0, 2)),
                    (14, Uncounted(3, 3)),
                    (14, Uncounted(3, 4)),
                ],
                strict=True,
            )
        ):
            await parts.post_all(one)
            assert tabled(urls) == expected
            await assert_right(parts, *posted[: number + 1])


async def test_what_one_process_left_another_counts(urls: DatabaseUrls, clock: FixedClock) -> None:
    first, second, third = draft(gift(1), refund(1)), draft(gift(2)), draft(gift(4))
    async with open_parts(urls.service, clock, name="one") as one:
        await one.post_all(first)
        taken_back = await one.post_all(reversal(back(gift(1), 1), of=1))
        assert [posting.sequence for posting in taken_back] == [2]
        assert tabled(urls) == (0, Uncounted(0, 2))
        before = await totals(one)
    async with open_parts(urls.service, clock, name="two") as two:
        assert await totals(two) == before
        await two.post_all(second)
        assert tabled(urls)[1] == Uncounted(3, 3)
        await two.post_all(third)
        assert tabled(urls)[1] == Uncounted(3, 4)
        after = await totals(two)
        assert sum(s.micros for s in after.values()) - sum(s.micros for s in before.values()) == 6
        assert (await two.audit()).ok


async def test_two_that_write_in_turns_count_everything_once(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    posted = [draft(gift(2**n)) for n in range(6)]
    async with (
        open_parts(urls.service, clock, name="one") as one,
        open_parts(urls.service, clock, name="two") as two,
    ):
        for number, each in enumerate(posted):
            await (one, two)[number % 2].post_all(each)
        await assert_right(one, *posted)


async def test_what_a_ledger_of_the_release_before_counted_is_not_counted_again(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    """It adds to the tables and moves the head, and does not know what else the head says."""
    first, second, third = draft(gift(1)), draft(gift(2)), draft(gift(4))
    async with open_parts(urls.service, clock, name="new") as new:
        await new.post_all(first)
        async with open_parts(
            urls.service, clock, name="old", limits=WriterLimits(uncounted_transfers=0)
        ) as old:
            await old.post_all(second)
            with psycopg.connect(urls.owner) as connection:
                connection.execute("UPDATE totals SET micros = 2, count = 1")
                connection.execute("UPDATE head SET uncounted_after = 0, uncounted_through = 1")
            await assert_right(old, first, second)
        await new.post_all(third)
        assert tabled(urls) == (7, Uncounted(3, 3))
        await assert_right(new, first, second, third)


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("UPDATE totals SET micros = micros + 1", "is kept as 8 (3), and the transfers make it 7"),
        ("DELETE FROM totals", "is kept as 4 (1), and the transfers make it 7 (3)"),
        ("UPDATE head SET uncounted_after = 1", "is kept as 9 (4), and the transfers make it 7"),
        ("UPDATE head SET uncounted_through = 2", "is kept as 3 (2), and the transfers make it 7"),
        ("UPDATE head SET uncounted_after = -1", "from 0 to 3 as uncounted"),
        ("UPDATE head SET uncounted_through = 4", "from 3 to 4 as uncounted, and the last is"),
        ("UPDATE head SET uncounted_after = 9", "from 10 to 3 as uncounted, and the last is"),
        (
            "UPDATE accounts SET code = 'nobody' WHERE code = 'project/well/fund'",
            "account 'nobody' fits no row of the chart",
        ),
    ],
)
async def test_the_audit_finds_what_is_wrong_beside_them(
    urls: DatabaseUrls, clock: FixedClock, statement: str, detail: str
) -> None:
    limits = WriterLimits(uncounted_transfers=1)
    async with open_parts(urls.service, clock, limits=limits) as parts:
        for micros in (1, 2, 4):
            await parts.post_all(draft(gift(micros)))
        assert tabled(urls) == (3, Uncounted(2, 3))
        with psycopg.connect(urls.owner) as connection:
            connection.execute(statement.encode())
        (check,) = [check for check in (await parts.audit()).checks if check.name == "totals"]
        assert not check.ok
        assert detail in check.detail


@pytest.mark.parametrize("at_once_max", [0, 100])
async def test_a_total_beyond_64_bits_does_not_stop_what_could_put_it_right(
    urls: DatabaseUrls, clock: FixedClock, at_once_max: int
) -> None:
    """A cell gathers from more accounts than one, each of which stays within 64 bits."""
    most = gift(INT64_MAX - 100)
    allocated = most._replace(debit="partner/alipay/allocated")
    unsettled = most._replace(credit="partner/alipay/settled")
    settled = unsettled._replace(debit=unsettled.credit, credit=unsettled.debit)
    small = [draft(gift(1, partner="tencent", project="road")) for _ in range(8)]
    posted = [draft(allocated), draft(unsettled), *small[:4], draft(settled), *small[4:]]
    limits = WriterLimits(uncounted_transfers=1)
    async with open_parts(urls.service, clock, limits=limits, at_once_max=at_once_max) as parts:
        for one in posted[:-2]:
            await parts.post_all(one)
    async with open_parts(urls.service, clock, limits=limits, at_once_max=at_once_max) as parts:
        for one in posted[-2:]:
            await parts.post_all(one)
        _, uncounted = tabled(urls)
        assert uncounted.after > len(posted) - 2, "they are counted again"
        await assert_right(parts, *posted)
