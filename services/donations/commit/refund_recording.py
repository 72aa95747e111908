"""The refunds of a group: they become rows, and are booked where their gift is."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.donations.commit.group import Group
from services.donations.commit.submission import RefundFate
from services.donations.domain import Key, Line, Outcome, Refund
from services.donations.gifts.booking import booking_lines
from services.donations.store import refunds
from services.donations.store.claims import Claim
from services.donations.store.driver import Driver
from services.donations.store.refunds import Booked, RefundKey
from services.runtime.errors import Reason


async def record_refunds(
    driver: Driver, group: Group, batch_id: UUID, now: datetime, claimed: list[Claim]
) -> tuple[list[RefundFate], list[Line], list[int]]:
    """Returns a fate for each refund, the lines of what was booked, and its events' moments."""
    known_gifts = await refunds.find_gifts(driver, {key for key, _ in group.refunds})
    fresh: dict[RefundKey, Refund] = {}
    for key, refund in group.refunds:
        gift = known_gifts.get(key)
        if gift is None or gift.gift.currency == refund.currency:
            fresh.setdefault((*key, refund.refund_id), refund)
    stored = await refunds.add(driver, fresh, now) if fresh else {}
    added = {Key(*refund_key[:3]) for refund_key in fresh.keys() - stored.keys()}
    booked, lines, events = await _book(driver, added | group.awaited, batch_id)
    fates = []
    for key, refund in group.refunds:
        refund_key = (*key, refund.refund_id)
        fate = _fate(refund, fresh.get(refund_key), stored.get(refund_key), booked.get(refund_key))
        # The second of two in one group with the same key is a repeat of the first.
        if fate.outcome in (Outcome.ACCEPTED, Outcome.WAITING) and fresh[refund_key] is not refund:
            fate = fate._replace(outcome=Outcome.REPLAYED)
        if fate.reason is not None:
            claimed.append(Claim(key, refund.refund_id, fate.reason, _refund_content(refund)))
        fates.append(fate)
    return fates, lines, events


def _fate(
    refund: Refund,
    fresh: Refund | None,
    stored: refunds.StoredRefund | None,
    booked_in: UUID | None,
) -> RefundFate:
    """fresh: the group's first refund with this key; None if its currency is not the gift's."""
    if fresh is None:
        return RefundFate(Outcome.CONFLICTING, reason=Reason.CURRENCY_MISMATCH)
    if stored is None:
        if refund != fresh:
            return RefundFate(Outcome.CONFLICTING, reason=Reason.REFUND_CONFLICT)
        return RefundFate(Outcome.ACCEPTED if booked_in else Outcome.WAITING, booked_in)
    if not stored.says(refund):
        return RefundFate(Outcome.CONFLICTING, reason=Reason.REFUND_CONFLICT)
    return RefundFate(Outcome.REPLAYED, stored.batch_id or booked_in)


async def _book(
    driver: Driver, keys: Iterable[Key], batch_id: UUID
) -> tuple[dict[RefundKey, UUID], list[Line], list[int]]:
    """Books what waits for these gifts, those of other transactions included.

    Returns the batch of each refund that was booked, the lines, and the events' moments.
    """
    found = await refunds.find_gifts(driver, keys)
    totals = await refunds.lock_totals(driver, found) if found else {}
    # Only now that the totals are locked is it certain what is booked and what waits.
    waiting = await refunds.find_waiting(driver, found) if found else {}
    booked: dict[Key, tuple[Booked, Sequence[str]]] = {}
    moved: list[Line] = []
    events: list[int] = []
    for key, pending in waiting.items():
        gift, purpose = found[key]
        before = totals[key]
        after = before.refunded
        for refund in pending:
            after = after.with_refund(refund.amount_micros, cumulative=refund.cumulative)
        new = list(booking_lines(gift, purpose, before.refunded, after))
        # What moves nothing, a lower running total, belongs to the batch that moved the rest.
        carrier = batch_id if new else before.batch_id
        total = Booked(after, before.refund_count + len(pending), carrier)
        booked[key] = (total, [refund.refund_id for refund in pending])
        moved += new
        events += [refund.event_time_micros for refund in pending]
    await refunds.book(driver, booked)
    batch_of = {
        (*key, refund_id): total.batch_id
        for key, (total, refund_ids) in booked.items()
        for refund_id in refund_ids
        if total.batch_id is not None
    }
    return batch_of, moved, events


def _refund_content(refund: Refund) -> dict[str, object]:
    return {
        "amount_micros": refund.amount_micros,
        "currency": refund.currency,
        "cumulative": refund.cumulative,
        "event_time_micros": refund.event_time_micros,
    }
