"""Watermarks, from the transaction that hears of them to the batch that tells them.

A partner declares that it has sent all its gifts of before a moment. That is told, as a batch
without lines, once no batch of the partner is left that was recorded by then and has not been
posted: totals would be said to be complete that lack its gifts.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.donations.store.driver import Driver

# What was told already is no news. Ids ascend with the time of recording, by the clock of the host
# that records: what is there already came before, also where another host's clock is ahead.
_DECLARE = b"""
    INSERT INTO declared_watermarks AS t (partner, transaction_id, complete_until)
    SELECT d.partner,
           greatest(%s::uuid, (SELECT batch_id FROM outbox ORDER BY batch_id DESC LIMIT 1)),
           d.complete_until
    FROM unnest(%s::text[], %s::timestamptz[]) AS d(partner, complete_until)
    WHERE NOT EXISTS (
        SELECT FROM watermarks w
        WHERE w.partner = d.partner AND w.complete_until >= d.complete_until
    )
    ORDER BY d.partner
    ON CONFLICT (partner, transaction_id) DO UPDATE
    SET complete_until = greatest(t.complete_until, excluded.complete_until)"""

# One row a batch and partner; of a batch that cannot be read nobody knows whose it is. A batch
# that was refused waits for a person; until then the newest watermark of its partner is enough.
_TAKE = b"""
    WITH unposted AS (
        SELECT o.batch_id, o.problem IS NOT NULL AS refused, named.partner
        FROM outbox o
        LEFT JOIN LATERAL (
            SELECT DISTINCT code #>> '{}' AS partner
            FROM jsonb_path_query(o.lines, '$[*][1]') AS q(code)
        ) named ON true
        WHERE o.lines <> '[]' OR o.watermarks = '{}'
    ), ready AS (
        SELECT d.partner, d.transaction_id FROM declared_watermarks d
        WHERE NOT EXISTS (
            SELECT FROM unposted u
            WHERE coalesce(u.partner, d.partner) = d.partner
              AND (u.refused OR u.batch_id <= d.transaction_id)
        )
        ORDER BY d.partner, d.transaction_id FOR UPDATE SKIP LOCKED
    ), outdated AS (
        SELECT d.partner, d.transaction_id FROM declared_watermarks d
        WHERE EXISTS (
            SELECT FROM unposted u
            WHERE coalesce(u.partner, d.partner) = d.partner AND u.refused
        ) AND EXISTS (
            SELECT FROM declared_watermarks l
            WHERE l.partner = d.partner AND l.transaction_id > d.transaction_id
              AND l.complete_until >= d.complete_until
        )
        ORDER BY d.partner, d.transaction_id FOR UPDATE SKIP LOCKED
    ), dropped AS (
        DELETE FROM declared_watermarks d USING outdated o
        WHERE (d.partner, d.transaction_id) = (o.partner, o.transaction_id)
    ), taken AS (
        DELETE FROM declared_watermarks d USING ready r
        WHERE (d.partner, d.transaction_id) = (r.partner, r.transaction_id)
        RETURNING d.partner, d.complete_until
    )
    INSERT INTO watermarks (partner, complete_until)
    SELECT partner, max(complete_until) FROM taken GROUP BY partner ORDER BY partner
    ON CONFLICT (partner) DO UPDATE SET complete_until = excluded.complete_until
    WHERE watermarks.complete_until < excluded.complete_until
    RETURNING partner, complete_until"""


async def declare(driver: Driver, watermarks: Mapping[str, datetime], transaction: UUID) -> None:
    """Keeps what partners declare with a transaction, whose batch has the same id if it makes one,
    under the last id of a batch that is there by now.

    What was told already is left out.
    """
    if watermarks:
        rows = [transaction, list(watermarks), list(watermarks.values())]
        await driver.execute(_DECLARE, rows)


async def take(driver: Driver) -> dict[str, datetime]:
    """Takes those that may be told now and are news, the latest of each partner, by partner.

    They are known as told from now on.
    """
    found = await (await driver.execute(_TAKE)).fetchall()
    return dict(sorted(found))
