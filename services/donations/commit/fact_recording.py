"""What happened to gifts: it becomes rows, and is booked where its gift is."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.donations.commit.booking import Booked, book
from services.donations.commit.claiming import CONFLICTS, fact_claim
from services.donations.commit.group import Group
from services.donations.commit.submission import Fate
from services.donations.domain import Key, Outcome, Refund
from services.donations.life.reports import Dispute, Fact
from services.donations.store import facts, known
from services.donations.store.driver import Driver
from services.donations.store.facts import FactKey
from services.runtime.errors import Reason


async def record_facts(
    driver: Driver, group: Group, touched: Collection[Key], batch_id: UUID, now: datetime
) -> tuple[list[Fate], Booked]:
    """Returns a fate for each of the group's facts, and what was booked.

    touched: gifts that are to be booked besides those that the facts are about.
    """
    first: dict[FactKey, Fact] = {}
    for key, fact in group.facts:
        first.setdefault(facts.key_of(key, fact), fact)
    new, stored = await facts.add(driver, first, batch_id, now) if first else ((), {})
    told = {key for key, fact in group.facts if facts.key_of(key, fact) in new}
    booked = await book(driver, told | group.awaited | set(touched), batch_id)
    if not group.facts:
        return [], booked
    about = {key for key, _ in group.facts}
    currencies = {
        key: gift.gift.currency for key, gift in (await known.find_gifts(driver, about)).items()
    }
    batches = await facts.refund_batches(driver, about)
    fates = []
    for key, fact in group.facts:
        name = facts.key_of(key, fact)
        if name in new or name in stored:
            fate = _fate(fact, first[name], stored.get(name), currencies.get(key))
        else:
            fate = Fate(Outcome.CONFLICTING, reason=Reason.REPORTS_EXCEEDED)
        if fate.reason is not None and fate.reason is not Reason.CURRENCY_MISMATCH:
            booked.claims.append(fact_claim(key, fact, fate.reason))
        elif isinstance(fact, Refund):
            fate = fate._replace(batch_id=batches.get(name))
        else:
            fate = fate._replace(batch_id=booked.carriers.get(key))
        fates.append(fate)
    return fates, booked


def _fate(fact: Fact, first: Fact, stored: Fact | None, currency: str | None) -> Fate:
    """first: the group's first fact of its name. currency: its gift's; None if that is not known.

    What was reported in another currency than the gift's stands, counts nothing, and is a claim.
    """
    standing = first if stored is None else stored
    if replace(standing, partner=fact.partner) != fact:
        return Fate(Outcome.CONFLICTING, reason=CONFLICTS[type(fact)])
    if isinstance(fact, Refund | Dispute) and currency not in (None, fact.currency):
        return Fate(Outcome.CONFLICTING, reason=Reason.CURRENCY_MISMATCH)
    # The second of two in one group with the same name is a repeat of the first.
    if stored is not None or fact is not first:
        return Fate(Outcome.REPLAYED)
    return Fate(Outcome.WAITING if currency is None else Outcome.ACCEPTED)
