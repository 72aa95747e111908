"""What stands in suspense is kept by kind, and no list adds it up again."""

import asyncio
import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

import services.donations.migrations
from services.donations.commit.submission import Submission
from services.donations.domain import Rail
from services.donations.gifts.columns import columns_of
from services.donations.store import adding_up, suspense
from services.donations.store.suspense import StandingPlace, SuspenseReader
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.allocating import allocate
from tests.integration.donations.kept_sums import misfits
from tests.integration.donations.parts import Parts, write
from tests.unit.donations.gifts import a_gift, a_refund

AMOUNT = a_gift().amount_micros
_FILE = Path(services.donations.migrations.__file__).parent / "versions" / "0013_suspense_sums.py"


async def standing(parts: Parts) -> dict[tuple[str, str, str], tuple[int, int]]:
    found = await SuspenseReader(parts.engine).standing(None, StandingPlace(), 1_000)
    return {(one.partner, one.project, one.currency): (one.gifts, one.micros) for one in found}


async def test_whatever_happens_to_gifts_moves_the_sums(parts: Parts) -> None:
    first, second = parts.writers
    lost = [a_gift(str(n), project="lost") for n in range(6)]
    await write(parts, first, Submission(gifts=[*lost, a_gift("here"), *lost[:2]]))
    await write(parts, second, Submission(gifts=[*lost[3:], a_gift("6", project="gone")]))
    assert await standing(parts) == {
        ("weibo", "lost", "CNY"): (6, 6 * AMOUNT),
        ("weibo", "gone", "CNY"): (1, AMOUNT),
    }
    refunds = [
        a_refund("r1", external_id="0", amount_micros=10),
        a_refund("r2", external_id="1", amount_micros=2 * AMOUNT),
        a_refund("r3", external_id="early", amount_micros=30),
    ]
    await write(parts, second, Submission(refunds=refunds))
    await write(parts, first, Submission(gifts=[a_gift("early", project="gone")]))
    await parts.sweeper.sweep()
    assert await standing(parts) == {
        ("weibo", "lost", "CNY"): (5, 5 * AMOUNT - 10),
        ("weibo", "gone", "CNY"): (2, 2 * AMOUNT - 30),
    }
    await allocate(parts, [("weibo", str(n)) for n in range(4)])
    # A refund after it is the project's.
    later = a_refund("r4", external_id="0", amount_micros=20)
    await write(parts, second, Submission(refunds=[later]))
    assert (await standing(parts))["weibo", "lost", "CNY"] == (2, 2 * AMOUNT)
    assert await misfits(parts) == []
    await allocate(parts, [("weibo", name) for name in ("4", "5", "6", "early")])
    assert await standing(parts) == {}
    assert await parts.query("SELECT * FROM suspense_sums") == [], "what comes to nothing is gone"


async def test_what_another_report_counts_leaves(parts: Parts) -> None:
    rail = a_gift("4200", partner="tencent", project="lost")
    origin = a_gift("order", partner="bytedance", project="lost", rail=Rail("tencent", "4200"))
    await write(parts, parts.writers[0], Submission(gifts=[rail]))
    assert await standing(parts) == {("tencent", "lost", "CNY"): (1, AMOUNT)}
    await write(parts, parts.writers[1], Submission(gifts=[origin]))
    assert await standing(parts) == {("bytedance", "lost", "CNY"): (1, AMOUNT)}
    # In bulk, where the sweeper finds it.
    many = [a_gift(f"bulk-{n}", partner="bytedance", project="lost") for n in range(300)]
    many[7] = replace(many[7], rail=Rail("tencent", "4300"))
    await write(parts, parts.writers[0], Submission(columns=columns_of(many)))
    await write(parts, parts.writers[0], Submission(gifts=[replace(rail, external_id="4300")]))
    while await parts.sweeper.sweep():
        pass
    assert await standing(parts) == {("bytedance", "lost", "CNY"): (301, 301 * AMOUNT)}
    assert await misfits(parts) == []


async def test_connections_that_suspend_and_allocate_at_once(parts: Parts) -> None:
    """Each lane has all kinds, in another order."""

    async def suspend(lane: int) -> None:
        for number in range(15):
            gifts = [a_gift(f"{lane}-{number}-{kind}", project=kind) for kind in "abc"]
            await write(
                parts, parts.writers[lane], Submission(gifts=gifts if lane else gifts[::-1])
            )

    async def let_go() -> None:
        for number in range(15):
            await allocate(parts, [("weibo", f"{n}-{number}-{k}") for k in "cab" for n in (0, 1)])

    await asyncio.gather(suspend(0), suspend(1), let_go())
    assert await misfits(parts) == []
    await let_go()
    assert await standing(parts) == {}


async def test_a_page_reads_no_more_than_it_holds(parts: Parts, urls: DatabaseUrls) -> None:
    """Of 200,000 kinds in 3,000 pages, from the middle."""
    await parts.catalog.partner_id("weibo")
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO suspense_sums SELECT p.id, 'project-' || lpad(n::text, 6, '0'), 2, 'CNY', "
            "s, 1, 100 FROM partners p, generate_series(1, 100000) n, generate_series(0, 1) s"
        )
        connection.execute("ANALYZE suspense_sums")
    reader = SuspenseReader(parts.engine)
    [row] = await parts.query("SELECT id FROM partners WHERE code = 'weibo'")
    after = StandingPlace(row.id, "project-050000", 2, "CNY")
    for partner_id in (None, row.id):
        found = await reader.standing(partner_id, after, 3)
        assert [(one.project, one.gifts, one.micros) for one in found] == [
            (f"project-05000{n}", 2, 200) for n in (1, 2, 3)
        ]
        values: dict[str, Any] = after._asdict() | {"first": row.id, "last": row.id, "limit": 100}
        plan = await parts.query(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {suspense._STANDING}", **values
        )
        [told] = plan[0][0] if not isinstance(plan[0][0], str) else json.loads(plan[0][0])
        read = told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"]
        assert read < 300, told


async def test_what_stood_there_before_is_added_up_by_the_migration(
    parts: Parts, urls: DatabaseUrls
) -> None:
    gifts = [a_gift(str(n), project="lost", currency="CNY" if n % 2 else "USD") for n in range(9)]
    await write(parts, parts.writers[0], Submission(gifts=gifts))
    refunds = [
        a_refund("r1", external_id="1", amount_micros=10),
        a_refund("r2", external_id="3", amount_micros=AMOUNT),
    ]
    await write(parts, parts.writers[1], Submission(refunds=refunds))
    await allocate(parts, [("weibo", "5")])
    before = await standing(parts)
    assert before["weibo", "lost", "CNY"] == (2, 2 * AMOUNT - 10)
    migration = runpy.run_path(str(_FILE))
    with psycopg.connect(urls.owner) as connection:
        connection.execute("TRUNCATE suspense_sums")
    assert len(await misfits(parts)) == 2
    with psycopg.connect(urls.owner) as connection:
        connection.execute(migration["_SUMS"].encode())
    assert await standing(parts) == before
    assert await misfits(parts) == []


@pytest.mark.parametrize(("stretch", "sums_max"), [(1, 1), (3, 2), (5, 7), (100, 4)])
async def test_however_it_is_cut_the_audit_finds_the_same(
    parts: Parts,
    urls: DatabaseUrls,
    monkeypatch: pytest.MonkeyPatch,
    stretch: int,
    sums_max: int,
) -> None:
    monkeypatch.setattr(adding_up, "STRETCH", stretch)
    monkeypatch.setattr(adding_up, "SUMS_MAX", sums_max)
    gifts = [a_gift(str(n), project=f"lost-{n % 5}") for n in range(15)]
    await write(parts, parts.writers[0], Submission(gifts=gifts))
    await allocate(parts, [("weibo", "2"), ("weibo", "7")])
    assert await misfits(parts) == []
    with psycopg.connect(urls.owner) as connection:
        connection.execute("UPDATE suspense_sums SET micros = micros + 1 WHERE project = 'lost-3'")
        connection.execute("DELETE FROM suspense_sums WHERE project = 'lost-1'")
        connection.execute(
            "INSERT INTO suspense_sums SELECT partner_id, 'never', reason, currency, slot, gifts, "
            "micros FROM suspense_sums LIMIT 1"
        )
    found = await misfits(parts)
    assert [name for detail in found for name in [detail.split("'")[1]]] == [
        "lost-1",
        "lost-3",
        "never",
    ]
