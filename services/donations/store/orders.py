"""Orders become rows, once, as gifts do: the key (bucket, partner, id) decides what is new."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donations.domain import Key, bucket_of, micros_of
from services.donations.pledges.pledge import KeyedOrder, PledgedOrder
from services.donations.store.driver import Driver
from services.donations.store.fragments import transposed
from services.donations.store.gifts import NEW, OTHER, SAME
from services.donations.store.pledge_sums import MOVED
from services.donations.store.sealing import sealing

# Times and tokens travel as numbers and as hex: psycopg takes ten and a hundred times as long for
# what they are. Multiplying an interval of one microsecond is exact up to the year 2255.
_GIVEN = """(
        SELECT bucket, partner_id, order_id, pledge_id, paid_micros, given_micros,
               timestamptz 'epoch' + event_micros * interval '1 microsecond' AS event_time,
               decode(token, 'hex') AS participant_token, number
        FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::integer[], %s::bigint[],
                    %s::bigint[], %s::bigint[], %s::text[])
          WITH ORDINALITY AS g(bucket, partner_id, order_id, pledge_id, paid_micros, given_micros,
                               event_micros, token, number)
    ) o"""

# In key order, as everything is written, so that nobody waits in a circle.
_INSERT = sealing(
    "pledged_orders",
    f"""
    INSERT INTO pledged_orders (bucket, partner_id, order_id, pledge_id, paid_micros, given_micros,
                                event_time, participant_token, seal_id)
    SELECT bucket, partner_id, order_id, pledge_id, paid_micros, given_micros, event_time,
           participant_token, %s::uuid
    FROM {_GIVEN} ORDER BY number
    ON CONFLICT DO NOTHING""",  # noqa: S608  made of constants
    "bucket, partner_id, order_id",
    moved=MOVED,
).encode()

# OFFSET 0 keeps the planner from reading the whole table: each repeat is looked up by its key.
_COMPARE = f"""
    SELECT (k.pledge_id = o.pledge_id AND k.paid_micros = o.paid_micros
            AND k.given_micros = o.given_micros AND k.event_time = o.event_time
            AND k.participant_token = o.participant_token) IS TRUE
    FROM {_GIVEN}
    CROSS JOIN LATERAL (
        SELECT * FROM pledged_orders p
        WHERE (p.bucket, p.partner_id, p.order_id) = (o.bucket, o.partner_id, o.order_id)
        OFFSET 0
    ) k ORDER BY o.number"""  # noqa: S608  made of constants

_ONE = text(
    """
    SELECT pledge_id, paid_micros, given_micros, event_time, participant_token FROM pledged_orders
    WHERE (bucket, partner_id, order_id) = (:bucket, :partner_id, :order_id)"""
)


async def insert(driver: Driver, orders: Sequence[KeyedOrder], batch_id: UUID) -> list[int]:
    """Inserts what is new and compares the rest; returns each order's fate, as of a gift.

    batch_id: this transaction's own, whether or not it comes to a batch.
    """
    # Stable, so that of orders with the same key the one that came first stays first.
    places = sorted(range(len(orders)), key=lambda place: orders[place].key)
    inserted = await driver.execute(
        _INSERT, [batch_id, *_columns([orders[place] for place in places])]
    )
    fresh = {Key(*row) for row in await inserted.fetchall()}
    fates = [NEW] * len(orders)
    repeats = []
    for place in places:
        if orders[place].key in fresh:
            fresh.remove(orders[place].key)
        else:
            repeats.append(place)
    if repeats:
        compared = await driver.execute(_COMPARE, _columns([orders[place] for place in repeats]))
        for place, (same,) in zip(repeats, await compared.fetchall(), strict=True):
            fates[place] = SAME if same else OTHER
    return fates


def _columns(orders: Sequence[KeyedOrder]) -> list[list[object]]:
    rows = [
        (
            *key,
            order.pledge_id,
            order.paid_micros,
            order.given_micros,
            order.event_time_micros,
            order.participant_token.hex(),
        )
        for key, order in orders
    ]
    return transposed(rows, 8)


class OrderReader:
    """Reads what is recorded. Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def order(self, partner: str, partner_id: int, order_id: str) -> PledgedOrder | None:
        """An order; None if it is not recorded."""
        key = {
            "bucket": bucket_of(order_id),
            "partner_id": partner_id,
            "order_id": order_id,
        }
        async with self._engine.connect() as connection:
            row = (await connection.execute(_ONE, key)).one_or_none()
        if row is None:
            return None
        return PledgedOrder(
            partner,
            order_id,
            row.pledge_id,
            row.paid_micros,
            row.given_micros,
            micros_of(row.event_time),
            bytes(row.participant_token),
        )
