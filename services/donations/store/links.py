"""Which gifts were paid on which rail under which id, as their origins say.

A link is written once for each origin: its first report that names a rail stands. What has to do
with one rail's report is looked at and locked together, so there is an end to how many may name it.
"""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from services.donations.domain import Key
from services.donations.life.reports import Family, Link
from services.donations.store.driver import Driver
from services.donations.store.fragments import KEYS, transposed
from services.donations.store.sealing import sealing

ORIGINS_MAX = 100
"""So many gifts may name one rail's report, and then no more; two transactions at once may each
bring as many. One is right, a few are mistakes, and more name no payment at all: "0", say.
"""

_ADD = sealing(
    "links",
    f"""
    INSERT INTO links (bucket, partner_id, external_id, rail_bucket, rail_partner_id,
                       rail_external_id, seal_id)
    SELECT k.*, %s::uuid
    FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::smallint[], %s::smallint[],
                %s::text[])
      AS k(bucket, partner_id, external_id, rail_bucket, rail_partner_id, rail_external_id)
    WHERE (
        SELECT count(*) FROM (
            SELECT FROM links l
            WHERE (l.rail_bucket, l.rail_partner_id, l.rail_external_id)
                = (k.rail_bucket, k.rail_partner_id, k.rail_external_id)
            LIMIT {ORIGINS_MAX}
        ) n
    ) < {ORIGINS_MAX}
    ON CONFLICT DO NOTHING""",  # noqa: S608  made of constants
    "bucket, partner_id, external_id",
).encode()

_COLUMNS = """l.bucket, l.partner_id, l.external_id,
           l.rail_bucket, l.rail_partner_id, l.rail_external_id"""

_OF_ORIGINS = f"""
    SELECT {_COLUMNS} FROM {KEYS} JOIN links l USING (bucket, partner_id, external_id)"""  # noqa: S608

_OF_RAILS = f"""
    SELECT {_COLUMNS} FROM {KEYS} JOIN links l
      ON (l.rail_bucket, l.rail_partner_id, l.rail_external_id)
       = (k.bucket, k.partner_id, k.external_id)"""  # noqa: S608


async def add(
    driver: Driver, links: Mapping[Key, Key], batch_id: UUID
) -> tuple[Collection[Key], dict[Key, Key]]:
    """Adds links, by origin, to origins that have none; returns the origins that got theirs, and
    the links that others had before. Those whose rail's report has ORIGINS_MAX are among neither.

    batch_id: this transaction's own, whether or not it comes to a batch.
    """
    origins: dict[Key, list[Key]] = {}
    for origin, rail in sorted(links.items()):
        origins.setdefault(rail, []).append(origin)
    rows = sorted(
        (*origin, *rail) for rail, of_rail in origins.items() for origin in of_rail[:ORIGINS_MAX]
    )
    added = await driver.execute(_ADD, [batch_id, *transposed(rows, 6)])
    new = {Key(*row) for row in await added.fetchall()}
    known = links.keys() - new
    if not known:
        return new, {}
    return new, {link.origin: link.rail for link in await _find(driver, _OF_ORIGINS, known)}


async def family_of(driver: Driver, keys: Iterable[Key]) -> Family:
    """All links of the rails' reports that the keys have to do with."""
    wanted = set(keys)
    rails = wanted | {link.rail for link in await _find(driver, _OF_ORIGINS, wanted)}
    return await family_of_rails(driver, rails)


async def family_of_rails(driver: Driver, rails: Iterable[Key]) -> Family:
    """All links that name these rails' reports."""
    return Family(frozenset(await _find(driver, _OF_RAILS, rails)))


async def _find(driver: Driver, query: str, keys: Iterable[Key]) -> list[Link]:
    found = await driver.execute(query.encode(), transposed(sorted(keys), 3))
    return [Link(Key(*row[:3]), Key(*row[3:])) for row in await found.fetchall()]
