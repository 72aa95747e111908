"""A gift becomes a row, once.

The key (bucket, partner, id) decides what is new. Two ways lead to the same answers: COPY straight
into the table, which is fast and fails as a whole if any row is a repeat; and staging, which sorts
the new from the repeats and compares the repeats with what is recorded, field by field.

Rows are written in key order by everybody, so that two transactions with the same keys wait for
each other and never in a circle; and because it is a third faster.
"""

import hashlib
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.errors import UniqueViolation

from services.donations.gifts.rows import GiftRows
from services.donations.store import copyformat
from services.donations.store.driver import Driver
from services.donations.store.fragments import AS_REPORTED, CAMPAIGN, PROJECT
from services.donations.store.gift_format import FIELDS, columns_of, digest_of, table_of
from services.donations.store.sealing import sealing

NEW, SAME, OTHER = 0, 1, 2
"""A row's fate: inserted now; recorded before with the same content, or with other content."""

_FIELDS = ", ".join(FIELDS)

_COPY = f"COPY donations ({_FIELDS}, batch_id) FROM STDIN (FORMAT BINARY)"

CREATE_STAGING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS staged_gifts (
        bucket smallint, partner_id smallint, external_id text COLLATE "C", amount_micros bigint,
        currency char(3) COLLATE "C", project_id integer, campaign_id integer,
        event_time timestamptz, donor_token bytea, ordinal integer, target integer
    ) ON COMMIT DELETE ROWS"""
"""What a session needs before `insert_staged`."""

_COPY_STAGED = f"COPY staged_gifts ({_FIELDS}, ordinal, target) FROM STDIN (FORMAT BINARY)"

# A temporary table is read in the order in which it was written: in key order.
_INSERT_STAGED = f"""
    WITH inserted AS (
        INSERT INTO donations ({_FIELDS}, batch_id)
        SELECT {_FIELDS}, %s::uuid FROM staged_gifts
        ON CONFLICT DO NOTHING
        RETURNING bucket, partner_id, external_id
    )
    SELECT s.ordinal FROM staged_gifts s
    LEFT JOIN inserted i USING (bucket, partner_id, external_id)
    WHERE i.bucket IS NULL"""  # noqa: S608  made of constants

# OFFSET 0 keeps the planner from reading the whole table: each repeat is looked up by its key.
_COMPARE_STAGED = f"""
    WITH repeated AS MATERIALIZED (
        SELECT s.* FROM unnest(%s::integer[]) r(ordinal) JOIN staged_gifts s USING (ordinal)
    )
    SELECT s.ordinal,
           (d.amount_micros = s.amount_micros AND d.currency = s.currency
            AND d.event_time = s.event_time AND d.donor_token = s.donor_token
            AND {PROJECT} = t.project AND {CAMPAIGN} = t.campaign) IS TRUE
    FROM repeated s
    JOIN unnest(%s::text[], %s::text[]) WITH ORDINALITY t(project, campaign, number)
      ON t.number = s.target + 1
    CROSS JOIN LATERAL (
        SELECT * FROM donations g
        WHERE (g.bucket, g.partner_id, g.external_id) = (s.bucket, s.partner_id, s.external_id)
        OFFSET 0
    ) d {AS_REPORTED}"""  # noqa: S608  made of constants

_SUSPEND = sealing(
    "suspended",
    """
    INSERT INTO suspended (bucket, partner_id, external_id, reason, project, campaign, seal_id)
    SELECT *, %s::uuid FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::smallint[],
                                   %s::text[], %s::text[])""",
    "count(*)",
).encode()

# What is written at once, because joining it costs less than writing it in three parts.
_JOINED_BYTES_MAX = 64 * 1024


class Inserted(NamedTuple):
    """What became of the rows, and the digest of those that are new (gift_format.py)."""

    fates: NDArray[np.uint8]
    digest: bytes


class RepeatFound(Exception):
    """At least one row is recorded already; the transaction is lost, staging finds out which."""


async def insert_new(driver: Driver, rows: GiftRows, batch_id: UUID) -> Inserted:
    """Inserts rows that are all new.

    Raises RepeatFound if one is not; the transaction must then be rolled back.
    """
    data = table_of(rows, batch_id).rows()
    try:
        await _copy(driver, _COPY, data)
    except UniqueViolation as error:
        raise RepeatFound from error
    await _suspend(driver, rows, batch_id)
    return Inserted(np.full(len(rows), NEW, dtype=np.uint8), hashlib.sha256(data).digest())


async def insert_staged(driver: Driver, rows: GiftRows, batch_id: UUID) -> Inserted:
    """Inserts what is new and compares the rest."""
    columns = [
        *columns_of(rows),
        copyformat.integer(np.arange(len(rows))),
        copyformat.integer(rows.target_indexes),
    ]
    await _copy(driver, _COPY_STAGED, copyformat.rows(columns))
    async with driver.cursor(binary=True) as cursor:
        await cursor.execute(_INSERT_STAGED, [batch_id])
        kept_out = np.array(await cursor.fetchall(), dtype=np.int64).reshape(-1)
        # Of rows with one key the join above cannot tell which was inserted: it was the first.
        is_new = ~rows.is_repeat
        is_new[kept_out] = False
        # Before the comparison: a repeat may be of a row that was suspended just now.
        new = rows.take(np.flatnonzero(is_new))
        await _suspend(driver, new, batch_id)
        fates = np.full(len(rows), NEW, dtype=np.uint8)
        repeats = np.flatnonzero(~is_new)
        if len(repeats):
            projects = [target.project for target in rows.targets]
            campaigns = [target.campaign for target in rows.targets]
            await cursor.execute(_COMPARE_STAGED, [repeats.tolist(), projects, campaigns])
            compared = np.array(await cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
            assert len(compared) == len(repeats), "what was kept out is recorded"
            fates[compared[:, 0]] = np.where(compared[:, 1], SAME, OTHER)
    return Inserted(fates, digest_of(new, batch_id))


async def _copy(driver: Driver, statement: str, rows: memoryview) -> None:
    async with driver.cursor() as cursor, cursor.copy(statement) as copy:
        if len(rows) <= _JOINED_BYTES_MAX:
            await copy.write(b"".join((copyformat.HEADER, rows, copyformat.TRAILER)))
            return
        await copy.write(copyformat.HEADER)
        await copy.write(rows)
        await copy.write(copyformat.TRAILER)


async def _suspend(driver: Driver, rows: GiftRows, batch_id: UUID) -> None:
    """Keeps what was reported of rows that stand in suspense."""
    places = np.flatnonzero(rows.suspended)
    if not len(places):
        return
    targets = [rows.targets[target] for target in rows.target_indexes[places].tolist()]
    await driver.execute(
        _SUSPEND,
        [
            batch_id,
            rows.buckets[places].tolist(),
            rows.partner_ids[places].tolist(),
            [external_id.decode() for external_id in rows.external_ids[places].tolist()],
            rows.reasons[places].tolist(),
            [target.project for target in targets],
            [target.campaign for target in targets],
        ],
    )
