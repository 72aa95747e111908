"""Makes every seal again, and derives again what follows from several records, for the audit."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from services.donations.pledges.evaluation import account_of, given_micros
from services.donations.pledges.orders import gifts_of
from services.donations.store.proving import (
    STRUCTURE,
    OrderWithGifts,
    Proof,
    ProofReader,
    ProvedSet,
)

ORDERS = "pledged_orders"


class Proved(NamedTuple):
    """A part of the check: of a table, how many rows it looked at, and what does not agree.

    unsealed: how many rows have no seal, since they were recorded before there were any.
    """

    table: str
    rows: int
    unsealed: int
    differences: Sequence[str]


async def check_records(reader: ProofReader) -> AsyncIterator[Proved]:
    """Looks at all that is recorded besides gifts. Raises the database's errors."""
    async with reader.moment() as proof:
        async for sealed in proof.sets():
            yield Proved(
                sealed.table, sealed.rows, sealed.unsealed, list(_seal_differences(sealed))
            )
        for table in STRUCTURE:
            yield Proved(table, 0, 0, await proof.misfits(table))
        async for table, misfits in proof.sums():
            yield Proved(table, 0, 0, misfits)
        async for part in _check_orders(proof):
            yield part


def _seal_differences(sealed: ProvedSet) -> Iterable[str]:
    for seal, rows, there, first in sealed.differences:
        if rows == there:
            yield f"seal {seal} was made of other values ({there:,} rows, the first is {first})"
        else:
            yield f"seal {seal} was made of {rows:,} rows, and there are {there:,} {first}".rstrip()
    if sealed.wrong:
        yield f"{sealed.wrong:,} rows have no seal, and were recorded when all had one"


async def _check_orders(proof: Proof) -> AsyncIterator[Proved]:
    async for page in proof.orders():
        details = [
            f"order {found.order.order_id} of {found.order.partner or 'nobody'}: {detail}"
            for found in page
            for detail in _order_differences(found)
        ]
        yield Proved(ORDERS, 0, 0, details[:100])
    # The sums are those of the orders: their misfits are told of above.
    async for pledges in proof.remainders():
        details = [
            f"pledge {pledge.code} of {pledge.partner}, version {pledge.version}, gave "
            f"{sums.given_micros:,}, which is more than its orders' share"
            for pledge, sums in pledges
            if account_of(pledge, sums).remainder < 0
        ]
        yield Proved(ORDERS, 0, 0, details[:100])


def _order_differences(found: OrderWithGifts) -> Iterable[str]:
    """What does not follow from the pledge's terms and what was paid."""
    order, pledge = found.order, found.pledge
    if pledge is None or pledge.partner != order.partner:
        yield f"its pledge {order.pledge_id} is not there, or makes no sense"
        return
    # A gift of remainders is what was cut off until then; its pledge is added up below.
    if order.paid_micros and order.given_micros != given_micros(pledge, order.paid_micros):
        yield (
            f"it is kept as giving {order.given_micros:,} of {order.paid_micros:,}, and its pledge "
            f"makes it {given_micros(pledge, order.paid_micros):,}"
        )
    expected = {
        gift.external_id: replace(gift, donor_token=b"") for gift in gifts_of(pledge, order)
    }
    recorded = {external_id: gift.gift for external_id, gift in found.gifts.items()}
    if expected != recorded:
        told = ", ".join(sorted(recorded)) or "none"
        yield f"its gifts are {told}, and not as its pledge divides {order.given_micros:,}"
