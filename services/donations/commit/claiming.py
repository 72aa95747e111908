"""What contradicts what is recorded, as the claims that are kept of it.

A claim is what was reported, and not what stands in its place: so the same reports leave the same
claims, whichever of them came first. Donors' names have no place here.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from services.donations.domain import Key, Refund
from services.donations.gifts.rows import GiftRows
from services.donations.life.reports import Dispute, Fact, Family, StageEvent
from services.donations.store.claims import Claim
from services.donations.store.known import KnownGift
from services.runtime.errors import Reason

CONFLICTS: Mapping[type[Fact], Reason] = {
    Refund: Reason.REFUND_CONFLICT,
    Dispute: Reason.DISPUTE_CONFLICT,
    StageEvent: Reason.STAGE_CONFLICT,
}
"""What a second report of the same fact with other content is called."""


def gift_claims(rows: GiftRows, places: NDArray[np.int64]) -> Iterable[Claim]:
    """Claims of gifts whose ids are recorded with other content."""
    rails = dict(rows.rails) if len(places) else {}
    for place in places.tolist():
        target = rows.targets[rows.target_indexes[place]]
        content: dict[str, object] = {
            "amount_micros": int(rows.amounts_micros[place]),
            "currency": target.currency,
            "project": target.project,
            "campaign": target.campaign,
            "event_time_micros": int(rows.event_times_micros[place]),
            "donor_token": rows.donor_tokens[place].tobytes().hex(),
        }
        if place in rails:
            content |= {"rail": rails[place].code, "rail_id": rails[place].external_id}
        yield Claim(rows.key(place), "", Reason.DONATION_CONFLICT, content)


def fact_claim(key: Key, fact: Fact, reason: Reason) -> Claim:
    """A claim of a fact."""
    content: dict[str, object] = {"event_time_micros": fact.event_time_micros}
    match fact:
        case Refund():
            name = fact.refund_id
            content |= {
                "amount_micros": fact.amount_micros,
                "currency": fact.currency,
                "cumulative": fact.cumulative,
            }
        case Dispute():
            name = fact.dispute_id
            content |= {
                "dispute": fact.status.name.lower(),
                "amount_micros": fact.amount_micros,
                "currency": fact.currency,
            }
        case StageEvent():
            name = fact.event_id
            content |= {"stage": fact.stage.name.lower()}
    return Claim(key, name, reason, content)


def rail_claims(family: Family, gifts: Mapping[Key, KnownGift]) -> Iterable[Claim]:
    """Links that contradict what is recorded, once the rail's report is there.

    What a rail reports of another sum than an origin that names it is a claim. Of several origins
    that it agrees with all but the least are claims. family: knows the gifts.
    """
    for link in sorted(family.links):
        rail, origin = gifts.get(link.rail), gifts.get(link.origin)
        if rail is None or origin is None:
            continue
        named: dict[str, object] = {
            "rail": rail.gift.partner,
            "rail_id": rail.gift.external_id,
        }
        if family.is_contradicted(link):
            told = {"amount_micros": rail.sum.micros, "currency": rail.sum.currency}
            yield Claim(link.origin, "", Reason.RAIL_MISMATCH, named | told)
        elif family.origin_of(link.rail) != link.origin:
            yield Claim(link.origin, "", Reason.RAIL_TAKEN, named)
