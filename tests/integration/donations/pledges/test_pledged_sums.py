"""Ten thousand pledges and a stream of orders: what is given is the exact sum, whatever the order.

The oracle counts in fractions and shares no code with the service. What it says is held against the
gifts' rows, with the batches' lines as the ledger gets them, and with the pledges' own accounts.
"""

import asyncio
import random
from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

import psycopg
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import pledge_service_pb2 as pb
from watersmeet.donations.v1.pledge_service_pb2_grpc import PledgeServiceStub

from services.donations.pledges.pledge import Pledge, Share
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.messages import request_id
from tests.integration.donations.pledge_messages import FEN, create, draft, order, record
from tests.unit.donations.pledges.pledging import a_pledge, cut, divided, exact_share

PLEDGES = 10_000
ORDERS = 15_000
PROJECTS = ("water", "books", "unheard-of")


def make_pledge(number: int, chance: random.Random) -> Pledge:
    unit = chance.choice([1, 1, 100, FEN])
    projects = chance.sample(PROJECTS, chance.randint(1, 3))
    shares = tuple(Share(project, chance.randint(1, 9)) for project in projects)
    if chance.random() < 0.2:
        fixed = chance.randint(1, 200) * FEN
        return a_pledge(
            f"p{number}", rate_ppm=0, fixed_micros=fixed, unit_micros=unit, shares=shares
        )
    rate = chance.choice([1_000, 3_000, 20_000, 1_000_000, chance.randint(1_000, 1_000_000)])
    return a_pledge(f"p{number}", rate_ppm=rate, unit_micros=unit, shares=shares)


def make_order(number: int, chance: random.Random) -> tuple[str, int]:
    """A pledge's code and a price: mostly whole fen, now and then whole micros."""
    # A few pledges get most orders, as few merchants do.
    pledge = min(int(chance.paretovariate(0.3)) - 1, PLEDGES - 1) if number % 2 else number // 2
    paid = chance.randint(1, 50_000) * FEN if chance.random() < 0.9 else chance.randint(1, 10**9)
    return f"p{pledge}", paid


@pytest.mark.timeout(300)
async def test_what_is_given_is_the_exact_sum(
    connect: Connect, ledger: LedgerProcess, urls: DatabaseUrls
) -> None:
    weibo: Any = PledgeServiceStub(connect("partner", "weibo"))
    chance = random.Random(95)
    pledges = {f"p{number}": make_pledge(number, chance) for number in range(PLEDGES)}
    bought = [(f"A{number}", *make_order(number, chance)) for number in range(ORDERS)]

    # What it should come to.
    exact: dict[str, Fraction] = defaultdict(Fraction)
    given: Counter[str] = Counter()
    gifts: dict[str, tuple[str, int]] = {}
    for order_id, code, paid in bought:
        pledge = pledges[code]
        exact[code] += exact_share(pledge, paid)
        given[code] += cut(pledge, exact_share(pledge, paid))
        parts = divided(pledge, cut(pledge, exact_share(pledge, paid)))
        for place, part in enumerate(parts, 1):
            if part:
                gifts[f"{order_id}/{place}"] = pledge.shares[place - 1].project, part

    # What it comes to, with every fourth order twice, in any order, by several at once.
    drafts = [draft(pledge, f"merchant-{pledge.code}") for pledge in pledges.values()]
    for start in range(0, PLEDGES, 1_000):
        answer = await weibo.CreatePledges(create(*drafts[start : start + 1_000]), timeout=60)
        assert {result.outcome for result in answer.results} == {intake_pb.OUTCOME_ACCEPTED}
    sent = [*bought, *bought[::4]]
    chance.shuffle(sent)
    waiting = [sent[start : start + 1_000] for start in range(0, len(sent), 1_000)]
    counted: Counter[str] = Counter()

    async def send() -> None:
        while waiting:
            orders = [order(order_id, code, paid) for order_id, code, paid in waiting.pop()]
            answer = await weibo.RecordOrders(record(*orders), timeout=60)
            for name in ("accepted", "replayed", "conflicting", "refused"):
                counted[name] += getattr(answer, name)

    await asyncio.gather(*(send() for _ in range(3)))
    assert counted == {"accepted": ORDERS, "replayed": len(sent) - ORDERS} | {
        "conflicting": 0,
        "refused": 0,
    }

    # Gift by gift, in the books, and pledge by pledge.
    with psycopg.connect(urls.owner) as connection:
        rows = connection.execute(
            """
            SELECT d.external_id, coalesce(u.project, p.code), d.amount_micros FROM donations d
            LEFT JOIN projects p ON p.id = d.project_id
            LEFT JOIN suspended u USING (bucket, partner_id, external_id)"""
        ).fetchall()
        participants = connection.execute("SELECT count(*) FROM pledged_orders").fetchone()
    assert {external_id: (project, micros) for external_id, project, micros in rows} == gifts
    assert participants == (ORDERS,)
    total = sum(given.values())
    await eventually(lambda: sum(ledger.ledger.micros().values()) == total)
    by_project: Counter[str] = Counter()
    for project, micros in gifts.values():
        by_project[project] += micros
    assert ledger.ledger.micros() == {
        ("partner/weibo/claimed", "project/water/fund"): by_project["water"],
        ("partner/weibo/claimed", "project/books/fund"): by_project["books"],
        ("partner/weibo/claimed", "partner/weibo/suspense"): by_project["unheard-of"],
    }
    for code in [f"p{number}" for number in range(30)] + chance.sample(sorted(exact), 70):
        account = (await weibo.GetPledge(pb.GetPledgeRequest(code=code), timeout=5)).account
        share = account.share_micros + Fraction(account.share_millionths, 1_000_000)
        left = account.remainder_micros + Fraction(account.remainder_millionths, 1_000_000)
        assert share == exact[code]
        assert account.given_micros == given[code]
        assert left == exact[code] - given[code]
        # And with the remainder, all of it to the unit.
        give = pb.GiveRemainderRequest(request_id=request_id(), code=code)
        answer = await weibo.GiveRemainder(give, timeout=5)
        assert answer.account.given_micros == cut(pledges[code], exact[code])
        assert answer.given.micros == cut(pledges[code], exact[code]) - given[code]
