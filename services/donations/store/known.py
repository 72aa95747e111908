"""Gifts' own rows, for what happens to them afterwards."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from services.donations.domain import Attribution, Gift, Key, Purpose, micros_of
from services.donations.life.reports import Family, Sum
from services.donations.store.driver import Driver
from services.donations.store.fragments import (
    ALLOCATED,
    AS_REPORTED,
    CAMPAIGN,
    KEYS,
    PROJECT,
    transposed,
)


class KnownGift(NamedTuple):
    """A recorded gift, without its donor.

    purpose: UNATTRIBUTED in suspense, where charity is empty. allocated: where it counts, if it is
    allocated out of suspense; purpose and charity are that project's. reason: why it came into
    suspense, as a number of SuspenseReason; 0 if it did not. decisions: how many there were about
    where it goes from there.
    """

    gift: Gift
    purpose: Purpose
    charity: str
    batch_id: UUID
    allocated: Attribution | None = None
    reason: int = 0
    decisions: int = 0

    @property
    def sum(self) -> Sum:
        """What was given."""
        return Sum(self.gift.amount_micros, self.gift.currency)

    @property
    def suspended(self) -> bool:
        """Whether it stands in suspense."""
        return self.purpose is Purpose.UNATTRIBUTED


_GIFTS = f"""
    SELECT d.bucket, d.partner_id, d.external_id, d.amount_micros, d.currency, d.event_time,
           d.batch_id, a.code, {PROJECT}, {CAMPAIGN}, coalesce(q.purpose, p.purpose, 3),
           coalesce(h.code, ''), q.code, coalesce(e.code, ''), coalesce(u.reason, 0),
           coalesce(w.number, 0)
    FROM {KEYS}
    JOIN donations d USING (bucket, partner_id, external_id)
    JOIN partners a ON a.id = d.partner_id {AS_REPORTED} {ALLOCATED}
    LEFT JOIN charities h ON h.id = coalesce(q.charity_id, p.charity_id)"""  # noqa: S608  made of constants


async def find_gifts(driver: Driver, keys: Iterable[Key]) -> dict[Key, KnownGift]:
    """Those of the gifts that are recorded, as this transaction sees them now."""
    found = await driver.execute(_GIFTS, transposed(sorted(keys), 3))
    return {
        Key(bucket, partner_id, external_id): KnownGift(
            Gift(partner, external_id, project, campaign, amount, currency, micros_of(event_time)),
            Purpose(purpose),
            charity,
            batch_id,
            Attribution(allocated, allocated_campaign) if allocated else None,
            reason,
            decisions,
        )
        for (
            bucket,
            partner_id,
            external_id,
            amount,
            currency,
            event_time,
            batch_id,
            partner,
            project,
            campaign,
            purpose,
            charity,
            allocated,
            allocated_campaign,
            reason,
            decisions,
        ) in await found.fetchall()
    }


def knowing(family: Family, gifts: Mapping[Key, KnownGift]) -> Family:
    """The family, which knows what the recorded of its reports tell of."""
    return replace(family, sums={key: gift.sum for key, gift in gifts.items()})
