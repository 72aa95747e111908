"""What a pledge's orders add up to, kept beside them: no account reads the orders again.

The statement that inserts orders moves the sums of their pledges, one row a pledge, in the order of
their ids. Each pledge has a row for each of a few slots, so that connections that record orders of
one pledge at the same moment seldom wait for each other. The audit adds up all orders again
(adding_up.py).
"""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donations.domain import micros_of
from services.donations.pledges.pledge import OrderSums

_SLOTS = 16

# basis_micros: paid, or the fixed sum where that is less: what the exact share is a multiple of.
ADDED_UP = """
           count(*) FILTER (WHERE o.paid_micros > 0) AS orders,
           sum(o.paid_micros) AS paid_micros,
           sum(CASE WHEN p.fixed_micros > 0 THEN least(o.paid_micros, p.fixed_micros)
                    ELSE o.paid_micros END) AS basis_micros,
           sum(o.given_micros) AS given_micros,
           count(*) FILTER (WHERE o.paid_micros = 0) AS remainders,
           max(o.event_time) AS latest_time"""
"""What orders o come to, each with its pledge p."""

MOVED = f"""
    INSERT INTO pledge_sums AS s (pledge_id, slot, orders, paid_micros, basis_micros, given_micros,
                                  remainders, latest_time)
    SELECT o.pledge_id, mod(pg_backend_pid(), {_SLOTS}), {ADDED_UP}
    FROM inserted o LEFT JOIN pledges p ON p.id = o.pledge_id
    GROUP BY o.pledge_id ORDER BY o.pledge_id
    ON CONFLICT (pledge_id, slot) DO UPDATE
    SET orders = s.orders + excluded.orders,
        paid_micros = s.paid_micros + excluded.paid_micros,
        basis_micros = s.basis_micros + excluded.basis_micros,
        given_micros = s.given_micros + excluded.given_micros,
        remainders = s.remainders + excluded.remainders,
        latest_time = greatest(s.latest_time, excluded.latest_time)"""  # noqa: S608  constants
"""Moves the sums by the orders `inserted`."""

ALL_SLOTS = """
           sum(orders) AS orders, sum(paid_micros) AS paid_micros,
           sum(basis_micros) AS basis_micros, sum(given_micros) AS given_micros,
           sum(remainders) AS remainders, max(latest_time) AS latest_time"""
"""A pledge's sums, of the rows of its slots."""

_OF_PLEDGE = text(
    f"SELECT {ALL_SLOTS} FROM pledge_sums WHERE pledge_id = :pledge_id GROUP BY pledge_id"  # noqa: S608
)


async def sums(connection: AsyncConnection, pledge_id: int) -> OrderSums:
    """What a pledge's orders add up to now."""
    found = await connection.execute(_OF_PLEDGE, {"pledge_id": pledge_id})
    row = found.one_or_none()
    return OrderSums() if row is None else sums_of(row)


def sums_of(row: Row[Any]) -> OrderSums:
    """A row of ALL_SLOTS."""
    return OrderSums(
        int(row.orders),
        int(row.paid_micros),
        int(row.basis_micros),
        int(row.given_micros),
        int(row.remainders),
        micros_of(row.latest_time),
    )
