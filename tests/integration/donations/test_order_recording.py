"""How orders and their gifts become rows: together, once, in company with everything else."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.donations.commit.submission import Submission
from services.donations.domain import Outcome
from services.donations.pledges.evaluation import given_micros
from services.donations.pledges.orders import gifts_of
from services.donations.pledges.pledge import Pledge, PledgedOrder, Share
from services.runtime.errors import Fault, Reason
from tests.integration.donations.conftest import forget_now_and_then
from tests.integration.donations.kept_sums import misfits
from tests.integration.donations.parts import Parts, outcomes_of, write
from tests.support.emptying import Emptier
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund
from tests.unit.donations.pledges.pledging import a_pledge

PLEDGE = a_pledge(shares=(Share("water", 99), Share("books", 1)), unit_micros=10_000)
LOW, HIGH = 10_000_000, 10_000_000_000
"""At the low price the second project gets nothing."""

examples = itertools.count()


def bought(*paid: tuple[str, int], pledge: Pledge = PLEDGE) -> Submission:
    """Orders and their gifts."""
    orders = [
        PledgedOrder(
            "weibo", order_id, pledge.id, price, given_micros(pledge, price), NOW_MICROS - 1
        )
        for order_id, price in paid
    ]
    made = [gifts_of(pledge, order) for order in orders]
    return Submission(
        gifts=[gift for gifts in made for gift in gifts],
        orders=orders,
        gift_orders=[place for place, gifts in enumerate(made) for _ in gifts],
    )


async def recorded(parts: Parts) -> dict[str, int]:
    rows = await parts.query("SELECT external_id, amount_micros FROM donations")
    return {row.external_id: row.amount_micros for row in rows}


@pytest.mark.parametrize("staged", [False, True])
async def test_of_one_order_in_one_transaction_the_first_stands(parts: Parts, staged: bool) -> None:
    writer = parts.writers[0]
    writer._staged_left = 10 if staged else 0
    both = [bought(("A1", LOW), ("A2", LOW)), bought(("A1", HIGH), ("A2", LOW), ("A3", HIGH))]
    results = (await write(parts, writer, *both)).results
    assert [result.orders for result in results] == [
        [Outcome.ACCEPTED, Outcome.ACCEPTED],
        [Outcome.CONFLICTING, Outcome.REPLAYED, Outcome.ACCEPTED],
    ]
    assert await recorded(parts) == {
        "A1/1": 30_000,
        "A2/1": 30_000,
        "A3/1": 29_700_000,
        "A3/2": 300_000,
    }
    again = (await write(parts, writer, *both)).results
    assert [result.orders for result in again] == [
        [Outcome.REPLAYED, Outcome.REPLAYED],
        [Outcome.CONFLICTING, Outcome.REPLAYED, Outcome.REPLAYED],
    ]
    await parts.require_balanced()


@pytest.mark.parametrize("staged", [False, True])
async def test_a_conflicting_orders_gifts_do_not_stand_in_the_way_of_others(
    parts: Parts, staged: bool
) -> None:
    writer = parts.writers[0]
    await write(parts, writer, bought(("A1", LOW)))
    writer._staged_left = 10 if staged else 0
    # The second report would give A1/2; that it does not, a gift under that id shows.
    direct = Submission(gifts=[a_gift("A1/2", amount_micros=5)])
    result = await write(parts, writer, bought(("A1", HIGH)), direct)
    assert result.results[0].orders == [Outcome.CONFLICTING]
    assert [Outcome(int(code)) for code in result.results[1].outcomes] == [Outcome.ACCEPTED]
    assert await recorded(parts) == {"A1/1": 30_000, "A1/2": 5}
    await parts.require_balanced()


async def test_orders_keep_company_with_gifts_and_refunds(parts: Parts) -> None:
    mixed = [
        Submission(gifts=[a_gift("direct")]),
        bought(("A1", HIGH), ("A2", 1)),
        Submission(gifts=[a_gift("direct-2")], refunds=[a_refund(external_id="A1/1")]),
        bought(("A3", LOW), pledge=replace(PLEDGE, shares=(Share("unheard-of", 1),))),
    ]
    result = await write(parts, parts.writers[0], *mixed)
    assert outcomes_of(result) == [*[Outcome.ACCEPTED] * 4, Outcome.SUSPENDED]
    assert [answer.orders for answer in result.results] == [
        [],
        [Outcome.ACCEPTED, Outcome.ACCEPTED],
        [],
        [Outcome.SUSPENDED],
    ]
    assert result.results[2].refunds[0].outcome is Outcome.ACCEPTED
    [count] = await parts.query("SELECT count(*) AS orders FROM pledged_orders")
    assert count.orders == 3
    await parts.require_balanced()


async def test_an_order_that_gives_less_than_a_unit_makes_no_batch(parts: Parts) -> None:
    result = await write(parts, parts.writers[0], bought(("A1", 1)))
    assert (result.batch_id, result.results[0].orders) == (None, [Outcome.ACCEPTED])
    assert (await write(parts, parts.writers[0], bought(("A1", 1)))).results[0].orders == [
        Outcome.REPLAYED
    ]
    assert await parts.summaries() == []


async def test_where_a_gift_is_taken_nothing_of_the_order_is_left(parts: Parts) -> None:
    await write(parts, parts.writers[0], Submission(gifts=[a_gift("A1/2")]))
    with pytest.raises(Fault) as caught:
        await write(parts, parts.writers[0], bought(("A1", HIGH), ("A2", HIGH)))
    assert caught.value.reason is Reason.DONATION_CONFLICT
    assert set(await recorded(parts)) == {"A1/2"}
    assert await parts.query("SELECT 1 FROM pledged_orders") == []
    await parts.require_balanced()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prices=st.dictionaries(
        st.sampled_from(["a", "b", "c", "d", "e"]), st.integers(1, HIGH), min_size=1
    ),
    data=st.data(),
)
async def test_any_order_and_any_repeats_give_the_same(
    parts: Parts, emptier: Emptier, prices: dict[str, int], data: st.DataObject
) -> None:
    """The database outlives the examples; each example's orders are its own."""
    forget_now_and_then(emptier)
    example = next(examples)
    orders = [(f"{example}-{name}", paid) for name, paid in prices.items()]
    sent = data.draw(st.permutations(orders + data.draw(st.lists(st.sampled_from(orders)))))
    size = data.draw(st.integers(1, len(sent)))
    fates: list[Outcome] = []
    for number, start in enumerate(range(0, len(sent), size)):
        chunk = sent[start : start + size]
        half = len(chunk) // 2
        submissions = [bought(*part) for part in (chunk[:half], chunk[half:]) if part]
        writer = parts.writers[number % 2]
        writer._staged_left = 10 if data.draw(st.booleans()) else 0
        for result in (await write(parts, writer, *submissions)).results:
            fates += result.orders
    assert fates.count(Outcome.ACCEPTED) == len(orders)
    assert fates.count(Outcome.REPLAYED) == len(sent) - len(orders)
    expected = {}
    for order_id, paid in orders:
        [order] = bought((order_id, paid)).orders
        for gift in gifts_of(PLEDGE, order):
            expected[gift.external_id] = gift.amount_micros
    found = await recorded(parts)
    assert {key: found[key] for key in found if key.startswith(f"{example}-")} == expected
    assert await misfits(parts) == []
