"""What a pledge's orders come to is kept beside them, and no account reads them again."""

import asyncio
import runpy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from watersmeet.donations.v1 import pledge_service_pb2 as pb

import services.donations.migrations
from services.donations.commit.submission import Submission
from services.donations.pledges.evaluation import given_micros
from services.donations.pledges.orders import gifts_of
from services.donations.pledges.pledge import OrderSums, Pledge, PledgedOrder
from services.donations.store import adding_up
from services.donations.store.pledges import PledgeStore
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.kept_sums import misfits
from tests.integration.donations.messages import request_id
from tests.integration.donations.parts import Parts, write
from tests.integration.donations.pledge_messages import FEN, create, draft, order, record
from tests.unit.donations.gifts import NOW_MICROS
from tests.unit.donations.pledges.pledging import a_pledge

_FILE = Path(services.donations.migrations.__file__).parent / "versions" / "0010_pledge_sums.py"


async def test_an_account_does_not_read_the_orders(weibo: Any, urls: DatabaseUrls) -> None:
    await weibo.CreatePledges(create(draft(a_pledge(unit_micros=FEN))), timeout=5)
    await weibo.RecordOrders(record(order("A1"), order("A2")), timeout=5)
    await weibo.RecordOrders(record(order("A2"), order("A3", paid_micros=FEN)), timeout=5)
    await weibo.GiveRemainder(
        pb.GiveRemainderRequest(request_id=request_id(), code="spring"), timeout=5
    )
    wanted = pb.GetPledgeRequest(code="spring")
    before = (await weibo.GetPledge(wanted, timeout=5)).account
    # 0.3 % of 19.99 twice and of 0.01: 0.11997, of which two orders give 5 fen each; then one fen.
    assert (before.orders, before.paid_micros) == (3, 3999 * FEN)
    assert (before.share_micros, before.given_micros) == (119_970, 11 * FEN)
    with psycopg.connect(urls.owner) as connection:
        connection.execute("TRUNCATE pledged_orders")
    assert (await weibo.GetPledge(wanted, timeout=5)).account == before


async def kept(parts: Parts, pledges: Sequence[Pledge]) -> list[OrderSums]:
    return [await PledgeStore(parts.engine).sums(pledge) for pledge in pledges]


def bought(pledge: Pledge, order_id: str, paid: int) -> Submission:
    order = PledgedOrder(
        "weibo", order_id, pledge.id, paid, given_micros(pledge, paid), NOW_MICROS - paid
    )
    gifts = list(gifts_of(pledge, order))
    return Submission(gifts=gifts, orders=[order], gift_orders=[0] * len(gifts))


@pytest.fixture
async def pledges(parts: Parts) -> Sequence[Pledge]:
    """A rate of three per mille, and one fen of each order, as they are kept."""
    made = [a_pledge("rate"), a_pledge("fixed", rate_ppm=0, fixed_micros=FEN)]
    store = PledgeStore(parts.engine)
    partner_id = await parts.catalog.partner_id("weibo")
    await store.add(partner_id, made, parts.clock())
    found = await store.versions("weibo", partner_id, ["rate", "fixed"])
    return [replace(found[pledge.code][0]) for pledge in made]


async def test_connections_that_record_at_once_move_the_same_sums(
    parts: Parts, pledges: Sequence[Pledge]
) -> None:
    """Each lane has all pledges, in another order, and half of each lane's orders are repeats."""
    rate, fixed = pledges

    async def record_some(lane: int) -> None:
        for number in range(lane * 10, lane * 10 + 20):
            both = [bought(rate, f"R{number}", FEN + number), bought(fixed, f"F{number}", number)]
            await write(parts, parts.writers[lane], *(both if lane else reversed(both)))

    await asyncio.gather(record_some(0), record_some(1))
    # Prices of the fixed pledge below its fen count as they are; an order of nothing is a
    # gift of remainders.
    numbers = range(30)
    assert await kept(parts, pledges) == [
        OrderSums(
            30,
            sum(FEN + number for number in numbers),
            sum(FEN + number for number in numbers),
            sum((FEN + number) * 3 // 1_000 for number in numbers),
            0,
            NOW_MICROS - FEN,
        ),
        OrderSums(29, sum(numbers), sum(numbers), sum(numbers), 1, NOW_MICROS),
    ]
    assert await misfits(parts) == []


async def test_of_a_fixed_sum_the_price_counts_where_it_is_less(
    parts: Parts, pledges: Sequence[Pledge]
) -> None:
    _, fixed = pledges
    await write(parts, parts.writers[0], bought(fixed, "A1", FEN * 100), bought(fixed, "A2", 7))
    [sums] = await kept(parts, [fixed])
    assert (sums.paid_micros, sums.basis_micros) == (FEN * 100 + 7, FEN + 7)


async def test_orders_of_before_are_added_up_by_the_migration(
    parts: Parts, pledges: Sequence[Pledge], urls: DatabaseUrls
) -> None:
    for number, pledge in enumerate([*pledges, *pledges]):
        await write(parts, parts.writers[number % 2], bought(pledge, f"A{number}", FEN * 2))
    before = await kept(parts, pledges)
    migration = runpy.run_path(str(_FILE))
    with psycopg.connect(urls.owner) as connection:
        connection.execute("TRUNCATE pledge_sums")
    assert [sums.orders for sums in await kept(parts, pledges)] == [0, 0]
    assert len(await misfits(parts)) == 2
    with psycopg.connect(urls.owner) as connection:
        connection.execute(migration["_SUMS"].encode())
    assert await kept(parts, pledges) == before
    assert await misfits(parts) == []


@pytest.mark.parametrize(("stretch", "sums_max"), [(1, 1), (2, 1), (3, 2), (100, 100)])
async def test_however_the_orders_are_cut_the_audit_finds_the_same(
    parts: Parts,
    pledges: Sequence[Pledge],
    urls: DatabaseUrls,
    monkeypatch: pytest.MonkeyPatch,
    stretch: int,
    sums_max: int,
) -> None:
    monkeypatch.setattr(adding_up, "STRETCH", stretch)
    monkeypatch.setattr(adding_up, "SUMS_MAX", sums_max)
    for number in range(8):
        await write(
            parts, parts.writers[number % 2], bought(pledges[number % 2], f"A{number}", FEN)
        )
    assert await misfits(parts) == []
    for column in ("orders", "paid_micros", "basis_micros", "given_micros", "remainders"):
        with psycopg.connect(urls.owner) as connection:
            changed = f"UPDATE pledge_sums SET {column} = {column} + 1 WHERE pledge_id = %s"
            connection.execute(changed.encode(), [pledges[1].id])
        assert await misfits(parts) == [
            f"pledge id {pledges[1].id} is kept with other sums than its orders come to"
        ]
        with psycopg.connect(urls.owner) as connection:
            back = f"UPDATE pledge_sums SET {column} = {column} - 1 WHERE pledge_id = %s"
            connection.execute(back.encode(), [pledges[1].id])
    assert await misfits(parts) == []
