"""Seals, made again from the rows, and what can be derived from several rows, at one moment.

The arithmetic of seals is SQL's (sealing.py). What is asked of a table is asked once, of all its
rows; orders come page by page, each with its pledge and its gifts, and kept sums are added up by
stretches.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donations.domain import Key, bucket_of, micros_of
from services.donations.pledges.evaluation import gift_id
from services.donations.pledges.pledge import SHARES_MAX, OrderSums, Pledge, PledgedOrder
from services.donations.store import adding_up, known
from services.donations.store.driver import Driver, driver_of
from services.donations.store.known import KnownGift
from services.donations.store.moment import one_moment
from services.donations.store.pledge_sums import ALL_SLOTS, sums_of
from services.donations.store.pledges import pledge_of
from services.donations.store.sealing import SETS, Sealed

_TOLD_MAX = 100
_PAGE_ORDERS = 500
_PAGE_PLEDGES = 500

# A row without a seal is of the release before, which may have run for a while beside this one.
_SINCE = text("SELECT min(recorded_time) + interval '1 day' FROM batches WHERE digest_version > 1")

_SEALED_GIFT = """EXISTS (
        SELECT FROM donations d JOIN batches b ON b.id = d.batch_id
        WHERE (d.bucket, d.partner_id, d.external_id) = (t.bucket, t.partner_id, t.external_id)
          AND b.digest_version > 1)"""

# When a row was recorded, or whether it belongs to what certainly has seals.
_MUST_BE_SEALED = {
    **dict.fromkeys(
        ("charities", "certificates", "projects", "project_closures", "campaigns"),
        "create_time >= :since",
    ),
    **dict.fromkeys(("pledges", "pledge_ends"), "create_time >= :since"),
    **dict.fromkeys(("refunds", "disputes", "stages"), "recorded_time >= :since"),
    **dict.fromkeys(("conflicts", "quarantine"), "received_time >= :since"),
    "quarantine_replays": "replay_time >= :since",
    **dict.fromkeys(("allocations", "allocation_steps", "allocated", "reallocated"), "true"),
    "closure_decisions": "true",
    "donors": "erase_time >= :since",
    "donor_readings": "read_time >= :since",
    "suspended": _SEALED_GIFT,
    "links": _SEALED_GIFT,
}

# One row at least, with the sums of all.
_PROVE = """
    WITH made AS (
        SELECT seal_id AS id, count(*) AS rows, {digest} AS digest, min({name}) AS first
        FROM {table} WHERE seal_id IS NOT NULL GROUP BY seal_id
    ), compared AS MATERIALIZED (
        SELECT id, coalesce(m.rows, 0) AS there, coalesce(s.rows, 0) AS sealed, m.first,
               (m.rows, m.digest) IS NOT DISTINCT FROM (s.rows::bigint, s.digest) AS same
        FROM made m FULL JOIN (SELECT * FROM seals WHERE number = {number}) s USING (id)
    )
    SELECT NULL::uuid AS id, coalesce(sum(there), 0) AS there, 0 AS sealed, NULL AS first
    FROM compared
    UNION ALL
    (SELECT id, there, sealed, first FROM compared WHERE NOT same AND {present}
     ORDER BY id LIMIT {limit})"""

_UNSEALED = """
    SELECT count(*) AS unsealed, count(*) FILTER (WHERE {must}) AS wrong FROM {table} t
    WHERE seal_id IS NULL {erased}"""

_GIFT_KEY = "(d.bucket, d.partner_id, d.external_id)"
_NAMED = "t.external_id || ' of partner id ' || t.partner_id"

STRUCTURE: Mapping[str, Sequence[str]] = {
    "seals": (
        """
        SELECT 'seal ' || s.id || ' is of no batch, carried by none, and not waiting for one'
        FROM (SELECT DISTINCT id FROM seals) s
        LEFT JOIN batches b ON b.id = s.id
        LEFT JOIN carried_seals c ON c.seal_id = s.id
        LEFT JOIN loose_seals l ON l.seal_id = s.id
        WHERE num_nonnulls(b.id, c.seal_id, l.seal_id) <> 1""",
    ),
    "carried_seals": (
        """
        SELECT 'batch ' || c.batch_id || ' carries seal ' || c.seal_id || ', and one of the two is '
               || 'not there'
        FROM carried_seals c
        WHERE NOT EXISTS (SELECT FROM seals s WHERE s.id = c.seal_id)
           OR NOT EXISTS (SELECT FROM batches b WHERE b.id = c.batch_id)""",
    ),
    "loose_seals": (
        """
        SELECT 'seal ' || l.seal_id || ' waits for a batch, and is not there' FROM loose_seals l
        WHERE NOT EXISTS (SELECT FROM seals s WHERE s.id = l.seal_id)""",
    ),
    "batches": (
        """
        SELECT 'batch ' || b.id || ' is not posted, and is not waiting to be' FROM batches b
        WHERE b.posted_sequence IS NULL
          AND NOT EXISTS (SELECT FROM outbox o WHERE o.batch_id = b.id)""",
        """
        SELECT 'batch ' || o.batch_id || ' waits to be posted, and is not there, or is posted'
        FROM outbox o WHERE NOT EXISTS (
            SELECT FROM batches b WHERE b.id = o.batch_id AND b.posted_sequence IS NULL)""",
    ),
    "projects": (
        """
        SELECT 'project ' || p.code || ' is kept to close at '
               || coalesce(p.close_time::text, 'no time') || ', and what was decided last is '
               || coalesce(c.close_time::text, 'nothing')
        FROM projects p
        LEFT JOIN LATERAL (
            SELECT close_time FROM project_closures c WHERE c.project_id = p.id
            ORDER BY id DESC LIMIT 1
        ) c ON true
        WHERE p.close_time IS DISTINCT FROM c.close_time
          AND (p.seal_id IS NOT NULL OR c.close_time IS NOT NULL)""",
        """
        SELECT 'project id ' || c.project_id || ', which was to be closed, is not there'
        FROM project_closures c
        WHERE NOT EXISTS (SELECT FROM projects p WHERE p.id = c.project_id)""",
    ),
    "closure_decisions": (
        """
        SELECT 'it is kept who made decision ' || t.closure_id || ' on when a project closes, and '
               || 'there is none'
        FROM closure_decisions t
        WHERE NOT EXISTS (SELECT FROM project_closures c WHERE c.id = t.closure_id)""",
    ),
    "links": (
        f"""
        SELECT 'the gift ' || {_NAMED} || ' names a rail, and is not recorded'
        FROM links t WHERE NOT EXISTS (
            SELECT FROM donations d
            WHERE {_GIFT_KEY} = (t.bucket, t.partner_id, t.external_id))""",  # noqa: S608
        f"""
        SELECT 'the gift ' || {_NAMED} || ' names a rail that is no partner, or itself'
        FROM links t
        WHERE NOT EXISTS (SELECT FROM partners p WHERE p.id = t.rail_partner_id)
           OR (t.rail_bucket, t.rail_partner_id, t.rail_external_id)
            = (t.bucket, t.partner_id, t.external_id)""",  # noqa: S608
    ),
    "suspended": (
        f"""
        SELECT 'the gift ' || {_NAMED} || ' is kept as suspended, and is not'
        FROM suspended t WHERE NOT EXISTS (
            SELECT FROM donations d
            WHERE {_GIFT_KEY} = (t.bucket, t.partner_id, t.external_id)
              AND d.project_id = 0)""",  # noqa: S608
    ),
    "allocated": (
        f"""
        SELECT 'the gift ' || {_NAMED} || ' is kept as allocated, and was not in suspense'
        FROM allocated t WHERE NOT EXISTS (
            SELECT FROM suspended d
            WHERE {_GIFT_KEY} = (t.bucket, t.partner_id, t.external_id))""",  # noqa: S608
        f"""
        SELECT 'the gift ' || {_NAMED} || ' is kept as allocated to project id ' || t.project_id
               || ', and request ' || t.request_id || ' is of another, or is not there'
        FROM allocated t WHERE NOT EXISTS (
            SELECT FROM allocations a
            WHERE (a.request_id, a.project_id) = (t.request_id, t.project_id))""",  # noqa: S608
    ),
    "reallocated": (
        f"""
        SELECT 'decision ' || t.number || ' about the gift ' || {_NAMED} || ' follows no other'
        FROM reallocated t WHERE NOT EXISTS (
            SELECT FROM (
                SELECT bucket, partner_id, external_id, 1 AS number FROM allocated
                UNION ALL SELECT bucket, partner_id, external_id, number FROM reallocated
            ) d
            WHERE {_GIFT_KEY} = (t.bucket, t.partner_id, t.external_id)
              AND d.number = t.number - 1)""",  # noqa: S608
        f"""
        SELECT 'the gift ' || {_NAMED} || ' is kept as allocated to project id ' || t.project_id
               || ', and request ' || t.request_id || ' is of another, or is not there'
        FROM reallocated t WHERE NOT EXISTS (
            SELECT FROM allocations a
            WHERE (a.request_id, a.project_id) = (t.request_id, t.project_id))""",  # noqa: S608
    ),
    "allocation_steps": (
        """
        SELECT 'step ' || s.number || ' of request ' || s.request_id || ' follows no other'
        FROM allocation_steps s
        WHERE NOT EXISTS (SELECT FROM allocations a WHERE a.request_id = s.request_id)
           OR s.number > 1 AND NOT EXISTS (
                SELECT FROM allocation_steps b
                WHERE (b.request_id, b.number, b.is_last) = (s.request_id, s.number - 1, false))""",
    ),
}
"""By table: each says in a sentence a row what does not fit."""

_ORDERS = text(
    """
    SELECT p.*, e.end_time AS ended_time, a.code AS partner, n.code AS order_partner,
           o.bucket, o.order_id, o.paid_micros, o.given_micros, o.event_time, o.pledge_id,
           o.partner_id AS order_partner_id, o.seal_id AS order_seal_id
    FROM (
        SELECT * FROM pledged_orders
        WHERE (bucket, partner_id, order_id) > (:bucket, :partner_id, :order_id)
        ORDER BY bucket, partner_id, order_id LIMIT :limit
    ) o
    LEFT JOIN pledges p ON p.id = o.pledge_id
    LEFT JOIN pledge_ends e ON e.pledge_id = p.id
    LEFT JOIN partners a ON a.id = p.partner_id
    LEFT JOIN partners n ON n.id = o.partner_id
    ORDER BY o.bucket, o.partner_id, o.order_id"""
)

_REMAINDERS = text(
    f"""
    SELECT p.*, NULL AS ended_time, a.code AS partner, k.*
    FROM (
        SELECT pledge_id, {ALL_SLOTS} FROM pledge_sums WHERE pledge_id > :after
        GROUP BY pledge_id HAVING sum(remainders) > 0 ORDER BY pledge_id LIMIT :limit
    ) k
    LEFT JOIN pledges p ON p.id = k.pledge_id
    LEFT JOIN partners a ON a.id = p.partner_id
    ORDER BY k.pledge_id"""  # noqa: S608  constants
)


class ProvedSet(NamedTuple):
    """A table's seals, made again. wrong: rows without a seal that should have one.

    differences: (seal, rows sealed, rows there, the first row) of those that differ, not all.
    """

    table: str
    rows: int
    unsealed: int
    wrong: int
    differences: Sequence[tuple[str, int, int, str]]


class OrderWithGifts(NamedTuple):
    """An order, its pledge if that is there and makes sense, and its gifts, by their ids."""

    order: PledgedOrder
    pledge: Pledge | None
    gifts: Mapping[str, KnownGift]


class ProofReader:
    """Reads, all at one moment."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def moment(self) -> AsyncIterator["Proof"]:
        """What is recorded now, until the block ends. Raises the database's errors."""
        async with one_moment(self._engine) as connection:
            yield Proof(connection, await driver_of(connection))


class Proof:
    """What can be asked at one moment."""

    def __init__(self, connection: AsyncConnection, driver: Driver) -> None:
        self._connection = connection
        self._driver = driver

    async def sets(self) -> AsyncIterator[ProvedSet]:
        """Every set's seals."""
        since = (await self._connection.execute(_SINCE)).scalar()
        for sealed in SETS.values():
            yield await self._set(sealed, {"since": since})

    async def misfits(self, table: str) -> Sequence[str]:
        """What does not fit in a table of STRUCTURE, the first of it."""
        found: list[str] = []
        for statement in STRUCTURE[table]:
            rows = await self._connection.execute(text(f"{statement} LIMIT {_TOLD_MAX}"))
            found += rows.scalars()
        return found[:_TOLD_MAX]

    def sums(self) -> AsyncIterator[tuple[str, Sequence[str]]]:
        """By table what does not fit of its kept sums, stretch by stretch of what they are of."""
        return adding_up.misfits(self._connection)

    async def orders(self) -> AsyncIterator[Sequence[OrderWithGifts]]:
        """All orders, page by page."""
        after: dict[str, object] = {"bucket": -1, "partner_id": 0, "order_id": ""}
        while True:
            page = {**after, "limit": _PAGE_ORDERS}
            rows = (await self._connection.execute(_ORDERS, page)).all()
            if not rows:
                return
            yield await self._with_gifts(rows)
            last = rows[-1]
            after = {
                "bucket": last.bucket,
                "partner_id": last.order_partner_id,
                "order_id": last.order_id,
            }

    async def remainders(self) -> AsyncIterator[Sequence[tuple[Pledge, OrderSums]]]:
        """The kept sums of each pledge of which a remainder was given, page by page."""
        after = -1
        while True:
            page = {"after": after, "limit": _PAGE_PLEDGES}
            rows = (await self._connection.execute(_REMAINDERS, page)).all()
            if not rows:
                return
            pledges = [(_pledge(row), sums_of(row)) for row in rows]
            yield [(pledge, sums) for pledge, sums in pledges if pledge is not None]
            after = rows[-1].pledge_id

    async def _set(self, sealed: Sealed, since: Mapping[str, object]) -> ProvedSet:
        table = sealed.table
        prove = _PROVE.format(
            digest=sealed.digest,
            name=" || ' ' || ".join(f"{name}::text" for name in sealed.key),
            table=table,
            number=sealed.number,
            present="there > 0" if sealed.may_go else "true",
            limit=_TOLD_MAX,
        )
        sums, *differences = (await self._connection.execute(text(prove))).all()
        must = _MUST_BE_SEALED.get(table, "false")
        erased = "AND erase_time IS NOT NULL" if table == "donors" else ""
        unsealed = text(_UNSEALED.format(must=must, table=table, erased=erased))
        values = since if ":since" in must else {}
        count = (await self._connection.execute(unsealed, values)).one()
        return ProvedSet(
            table,
            int(sums.there) + count.unsealed,
            count.unsealed,
            count.wrong,
            [(str(row.id), row.sealed, row.there, row.first or "") for row in differences],
        )

    async def _with_gifts(self, rows: Sequence[Row[Any]]) -> Sequence[OrderWithGifts]:
        keys = {
            Key(bucket_of(name), row.order_partner_id, name)
            for row in rows
            for place in range(1, SHARES_MAX + 1)
            for name in [gift_id(row.order_id, place)]
        }
        gifts: dict[tuple[int, str], dict[str, KnownGift]] = {}
        for key, gift in (await known.find_gifts(self._driver, keys)).items():
            order_id = key.external_id.rpartition("/")[0]
            gifts.setdefault((key.partner_id, order_id), {})[key.external_id] = gift
        return [
            OrderWithGifts(
                PledgedOrder(
                    row.order_partner or "",
                    row.order_id,
                    row.pledge_id,
                    row.paid_micros,
                    row.given_micros,
                    micros_of(row.event_time),
                ),
                _pledge(row),
                gifts.get((row.order_partner_id, row.order_id), {}),
            )
            for row in rows
        ]


def _pledge(row: Row[Any]) -> Pledge | None:
    """None if it is not there, or says what no pledge can."""
    if not row.partner:
        return None
    try:
        pledge = pledge_of(row.partner, row)
        divides = pledge.unit_micros > 0 and sum(share.weight for share in pledge.shares) > 0
    except (TypeError, ValueError):
        return None
    return pledge if divides else None
