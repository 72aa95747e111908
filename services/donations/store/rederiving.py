"""All that gifts' positions are derived from, page by page, seen at one moment."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donations.domain import Key
from services.donations.life.reports import Family, Told
from services.donations.life.transitions import State
from services.donations.store import facts, known, links, positions
from services.donations.store.driver import Driver, driver_of
from services.donations.store.fragments import KEYS, transposed
from services.donations.store.known import KnownGift
from services.donations.store.moment import one_moment
from services.donations.store.positions import StoredMove

_PAGE_GIFTS = 1_000

_TABLES = ("positions", "moves", "refunds", "disputes", "stages", "links", "allocated")

# Each table's next keys from its own index.
_NEXT_OF_ONE = """
    (SELECT DISTINCT bucket, partner_id, external_id FROM {table}
     WHERE (bucket, partner_id, external_id) > (%s, %s, %s)
     ORDER BY 1, 2, 3 LIMIT {limit})"""

_ALL = " UNION ".join(_NEXT_OF_ONE.format(table=table, limit=_PAGE_GIFTS) for table in _TABLES)

_NEXT = f"SELECT * FROM ({_ALL}) k ORDER BY 1, 2, 3 LIMIT {_PAGE_GIFTS}"  # noqa: S608  constants

_STORED = f"""
    SELECT p.bucket, p.partner_id, p.external_id, p.moves, p.state, p.refunded_micros, p.joined
    FROM {KEYS} JOIN positions p USING (bucket, partner_id, external_id)"""  # noqa: S608

_WAITING = f"""
    SELECT DISTINCT w.bucket, w.partner_id, w.external_id
    FROM {KEYS} JOIN waiting w USING (bucket, partner_id, external_id)"""  # noqa: S608

_BEGINNINGS = f"""
    SELECT r.bucket, r.partner_id, r.external_id, r.first_move
    FROM {KEYS} JOIN reallocated r USING (bucket, partner_id, external_id)
    ORDER BY r.bucket, r.partner_id, r.external_id, r.number"""  # noqa: S608

# Those of before seals were booked by other rules.
_REFUNDS = f"""
    SELECT r.bucket, r.partner_id, r.external_id, r.refund_id, r.currency, r.batch_id
    FROM {KEYS} JOIN refunds r USING (bucket, partner_id, external_id)
    WHERE r.seal_id IS NOT NULL
    ORDER BY r.bucket, r.partner_id, r.external_id, r.refund_id"""  # noqa: S608

_BEFORE_ALL = Key(-1, 0, "")


class StoredPosition(NamedTuple):
    """What a gift's moves are kept to have led to."""

    moves: int
    state: State
    refunded_micros: int
    joined: bool


class KeptRefund(NamedTuple):
    """What is kept of a refund's booking. batch_id: None if none is."""

    refund_id: str
    currency: str
    batch_id: UUID | None


@dataclass(frozen=True, slots=True)
class Lives:
    """A page. keys: what it is of; the rest is of all that is related to them.

    waiting: what is still to be booked. beginnings: the moves with which further decisions about
    gifts begin.
    """

    keys: Sequence[Key]
    family: Family
    gifts: Mapping[Key, KnownGift]
    told: Mapping[Key, Told]
    moves: Mapping[Key, Sequence[StoredMove]]
    stored: Mapping[Key, StoredPosition]
    waiting: frozenset[Key]
    refunds: Mapping[Key, Sequence[KeptRefund]]
    beginnings: Mapping[Key, Sequence[int]]


class Unreadable(NamedTuple):
    """A gift of which something cannot be read."""

    key: Key
    problem: str


# Raised for a number that stands for nothing, and for a time beyond the calendar.
_NO_VALUE = (ValueError, psycopg.DataError)


class LifeReader:
    """Reads lives."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def pages(self) -> AsyncIterator[Lives | Unreadable]:
        """Every gift that anything happened to. Raises the database's errors."""
        async with one_moment(self._engine) as connection:
            driver = await driver_of(connection)
            last = _BEFORE_ALL
            while True:
                found = await driver.execute(_NEXT.encode(), list(last) * len(_TABLES))
                keys = [Key(*row) for row in await found.fetchall()]
                if not keys:
                    return
                async for lives in _readable(driver, keys):
                    yield lives
                last = keys[-1]


async def _readable(driver: Driver, keys: Sequence[Key]) -> AsyncIterator[Lives | Unreadable]:
    """These lives; where a value makes no sense, one by one, to name the gift that it is of."""
    try:
        yield await _lives(driver, keys)
    except _NO_VALUE as error:
        if len(keys) == 1:
            yield Unreadable(keys[0], str(error))
            return
        for key in keys:
            async for lives in _readable(driver, [key]):
                yield lives


async def _lives(driver: Driver, keys: Sequence[Key]) -> Lives:
    family = await links.family_of(driver, keys)
    members = family.related(keys)
    wanted = transposed(sorted(members), 3)
    stored = await (await driver.execute(_STORED, wanted)).fetchall()
    waiting = await (await driver.execute(_WAITING, wanted)).fetchall()
    refunds: dict[Key, list[KeptRefund]] = {}
    for *key, refund_id, currency, batch_id in await (
        await driver.execute(_REFUNDS, wanted)
    ).fetchall():
        refunds.setdefault(Key(*key), []).append(KeptRefund(refund_id, currency, batch_id))
    beginnings: dict[Key, list[int]] = {}
    for *key, first_move in await (await driver.execute(_BEGINNINGS, wanted)).fetchall():
        beginnings.setdefault(Key(*key), []).append(first_move)
    gifts = await known.find_gifts(driver, members)
    return Lives(
        keys,
        known.knowing(family, gifts),
        gifts,
        await facts.read(driver, members),
        await positions.moves_of(driver, members),
        {
            Key(*key): StoredPosition(moves, State(state), refunded, joined)
            for *key, moves, state, refunded, joined in stored
        },
        frozenset(Key(*row) for row in waiting),
        refunds,
        beginnings,
    )
