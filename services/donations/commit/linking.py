"""The links of a group: which of its gifts name the rail that they were paid on.

A repeat that names no rail contradicts nothing; one that is the first to name a rail adds it.
"""

from collections.abc import Iterable
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.donations import metrics
from services.donations.commit.group import Group
from services.donations.domain import Key, bucket_of
from services.donations.gifts.rows import GiftRows
from services.donations.life.reports import RAILS
from services.donations.store import gifts, links
from services.donations.store.driver import Driver


async def record_links(
    driver: Driver, group: Group, rows: GiftRows, fates: NDArray[np.uint8], batch_id: UUID
) -> tuple[dict[Key, Key], NDArray[np.uint8]]:
    """Writes the links of gifts that are recorded, now or before, as the group says.

    Returns those that are new, by origin, and the gifts' fates: OTHER now also where a gift is
    recorded with another rail. Where too many others name the rail's report, a gift is recorded as
    if it named none.
    """
    if not rows.rails:
        return {}, fates
    named: dict[Key, Key] = {}
    wanted: list[tuple[int, Key, Key]] = []
    for place, rail in rows.rails:
        if fates[place] == gifts.OTHER:
            continue
        partner_id = group.partner_ids[rail.code]
        key = Key(bucket_of(rail.external_id), partner_id, rail.external_id)
        origin = rows.key(place)
        named.setdefault(origin, key)
        wanted.append((place, origin, key))
    new, stored = await links.add(driver, named, batch_id) if named else ((), {})
    metrics.LINKS_REFUSED.inc(len(named) - len(new) - len(stored))
    standing = named | stored
    fates = fates.copy()
    for place, origin, key in wanted:
        if standing[origin] != key:
            fates[place] = gifts.OTHER
    return {origin: named[origin] for origin in new}, fates


def rails_among(group: Group, rows: GiftRows, fates: NDArray[np.uint8]) -> Iterable[Key]:
    """The new reports of rails, which an origin may have named before."""
    rails = [group.partner_ids[code] for code in RAILS if code in group.partner_ids]
    if not rails:
        return ()
    is_rail = np.zeros(len(rows), dtype=np.bool_)
    for rail in rails:
        is_rail |= rows.partner_ids == rail
    return rows.keys(np.flatnonzero((fates == gifts.NEW) & is_rail))
