"""Refunds become rows, and are booked when their gift is there.

A gift's row in `refund_totals` holds what is booked of its refunds, and its lock is the right to
book more. Gifts' own rows are never locked or changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.donations.domain import Gift, Key, Purpose, Refund, micros_of, moment_of
from services.donations.gifts.booking import Refunded
from services.donations.store.driver import Driver
from services.donations.store.fragments import AS_REPORTED, CAMPAIGN, PROJECT

RefundKey = tuple[int, int, str, str]
"""bucket, partner id, the gift's id, the refund's id."""


class StoredGift(NamedTuple):
    """A gift that refunds are about, without its donor. purpose: UNATTRIBUTED in suspense."""

    gift: Gift
    purpose: Purpose


class StoredRefund(NamedTuple):
    """What is recorded under a refund's key."""

    amount_micros: int
    currency: str
    cumulative: bool
    event_time_micros: int
    batch_id: UUID | None

    def says(self, refund: Refund) -> bool:
        """Whether a report of the same key has the same content."""
        return self[:4] == (
            refund.amount_micros,
            refund.currency,
            refund.cumulative,
            refund.event_time_micros,
        )


class Booked(NamedTuple):
    """What is booked of a gift's refunds. batch_id: the last that moved money."""

    refunded: Refunded
    refund_count: int
    batch_id: UUID | None


class Waiting(NamedTuple):
    """A refund that is not booked yet."""

    refund_id: str
    amount_micros: int
    cumulative: bool
    event_time_micros: int


_KEYS = "unnest(%s::smallint[], %s::smallint[], %s::text[]) k(bucket, partner_id, external_id)"

_GIFTS = f"""
    SELECT d.bucket, d.partner_id, d.external_id, d.amount_micros, d.currency, d.event_time,
           coalesce(p.purpose, 3), a.code, {PROJECT}, {CAMPAIGN}
    FROM {_KEYS}
    JOIN donations d USING (bucket, partner_id, external_id)
    JOIN partners a ON a.id = d.partner_id {AS_REPORTED}"""  # noqa: S608  made of constants

_ADD = """
    INSERT INTO refunds (bucket, partner_id, external_id, refund_id, amount_micros, currency,
                         cumulative, event_time, recorded_time)
    SELECT *, %s FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::text[], %s::bigint[],
                             %s::text[], %s::boolean[], %s::timestamptz[])
    ON CONFLICT DO NOTHING
    RETURNING bucket, partner_id, external_id, refund_id"""

_FIND = """
    SELECT r.bucket, r.partner_id, r.external_id, r.refund_id,
           r.amount_micros, r.currency, r.cumulative, r.event_time, r.batch_id
    FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::text[])
      k(bucket, partner_id, external_id, refund_id)
    JOIN refunds r USING (bucket, partner_id, external_id, refund_id)"""

# The update changes nothing; it locks the row and returns it as it is now.
_LOCK = f"""
    INSERT INTO refund_totals (bucket, partner_id, external_id, single_micros, running_micros,
                               booked)
    SELECT bucket, partner_id, external_id, 0, 0, 0 FROM {_KEYS}
    ON CONFLICT (bucket, partner_id, external_id) DO UPDATE SET booked = refund_totals.booked
    RETURNING bucket, partner_id, external_id, single_micros, running_micros, booked,
              batch_id"""  # noqa: S608

_WAITING = f"""
    SELECT r.bucket, r.partner_id, r.external_id, r.refund_id, r.amount_micros, r.cumulative,
           r.event_time
    FROM {_KEYS}
    JOIN refunds r USING (bucket, partner_id, external_id)
    JOIN donations d USING (bucket, partner_id, external_id)
    WHERE r.batch_id IS NULL AND r.currency = d.currency"""  # noqa: S608

_BOOK = """
    UPDATE refunds r SET batch_id = k.batch_id, position = k.position
    FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::text[], %s::uuid[], %s::integer[])
      k(bucket, partner_id, external_id, refund_id, batch_id, position)
    WHERE (r.bucket, r.partner_id, r.external_id, r.refund_id)
        = (k.bucket, k.partner_id, k.external_id, k.refund_id)"""

_TOTAL = """
    UPDATE refund_totals t
    SET single_micros = k.single_micros, running_micros = k.running_micros, booked = k.booked,
        batch_id = k.batch_id
    FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::bigint[], %s::bigint[],
                %s::integer[], %s::uuid[])
      k(bucket, partner_id, external_id, single_micros, running_micros, booked, batch_id)
    WHERE (t.bucket, t.partner_id, t.external_id) = (k.bucket, k.partner_id, k.external_id)"""


async def find_gifts(driver: Driver, keys: Iterable[Key]) -> dict[Key, StoredGift]:
    """Those of the gifts that are recorded, as this transaction sees them now."""
    found = await driver.execute(_GIFTS, _transposed(sorted(keys), 3))
    return {
        Key(bucket, partner_id, external_id): StoredGift(
            Gift(partner, external_id, project, campaign, amount, currency, micros_of(event_time)),
            Purpose(purpose),
        )
        for (
            bucket,
            partner_id,
            external_id,
            amount,
            currency,
            event_time,
            purpose,
            partner,
            project,
            campaign,
        ) in await found.fetchall()
    }


async def add(
    driver: Driver, refunds: Mapping[RefundKey, Refund], now: datetime
) -> dict[RefundKey, StoredRefund]:
    """Inserts refunds whose keys are new; returns what is recorded under the other keys."""
    rows = [
        (
            *key,
            refund.amount_micros,
            refund.currency,
            refund.cumulative,
            moment_of(refund.event_time_micros),
        )
        for key, refund in sorted(refunds.items())
    ]
    inserted = await driver.execute(_ADD, [now, *_transposed(rows, 8)])
    known = sorted(refunds.keys() - set(await inserted.fetchall()))
    if not known:
        return {}
    found = await driver.execute(_FIND, _transposed(known, 4))
    return {
        (bucket, partner_id, external_id, refund_id): StoredRefund(
            amount, currency, cumulative, micros_of(event_time), batch_id
        )
        for (
            bucket,
            partner_id,
            external_id,
            refund_id,
            amount,
            currency,
            cumulative,
            event_time,
            batch_id,
        ) in await found.fetchall()
    }


async def lock_totals(driver: Driver, keys: Iterable[Key]) -> dict[Key, Booked]:
    """What is booked of these gifts' refunds, locked in key order until the transaction ends."""
    locked = await driver.execute(_LOCK, _transposed(sorted(keys), 3))
    return {
        Key(*key): Booked(Refunded(single, running), booked, batch_id)
        for *key, single, running, booked, batch_id in await locked.fetchall()
    }


async def find_waiting(driver: Driver, keys: Iterable[Key]) -> dict[Key, list[Waiting]]:
    """These gifts' refunds that are not booked yet and are in the gift's currency, by refund id."""
    found = await driver.execute(_WAITING, _transposed(sorted(keys), 3))
    waiting: dict[Key, list[Waiting]] = {}
    for *key, refund_id, amount, cumulative, event_time in sorted(await found.fetchall()):
        waiting.setdefault(Key(*key), []).append(
            Waiting(refund_id, amount, cumulative, micros_of(event_time))
        )
    return waiting


async def book(driver: Driver, booked: Mapping[Key, tuple[Booked, Sequence[str]]]) -> None:
    """Writes gifts' new totals down, and marks the refunds (by id) that they now include."""
    refunds = [
        (*key, refund_id, total.batch_id, total.refund_count - len(refund_ids) + place)
        for key, (total, refund_ids) in booked.items()
        for place, refund_id in enumerate(refund_ids, 1)
    ]
    totals = [
        (*key, *total.refunded, total.refund_count, total.batch_id)
        for key, (total, _) in booked.items()
    ]
    if refunds:
        await driver.execute(_BOOK, _transposed(refunds, 6))
        await driver.execute(_TOTAL, _transposed(totals, 7))


def _transposed(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as columns, for unnest; so many empty columns if there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
