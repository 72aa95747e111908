"""A gift's whole life: every report of it, what happened to it, and what was booked of that."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.donations.domain import Key
from services.donations.life.recorded import (
    RecordedGift,
    RecordedMove,
    RecordedRefund,
    RecordedReport,
)
from services.donations.life.reports import Told
from services.donations.store import allocations, facts, known, links, positions
from services.donations.store.driver import Driver
from services.donations.store.facts import FactKey
from services.donations.store.known import KnownGift

_TIMES = "SELECT id, recorded_time FROM batches WHERE id = ANY(%s)"


async def whole_life(driver: Driver, key: Key, recorded: RecordedGift) -> RecordedGift:
    """recorded, with all else that is known of the gift that it is a report of.

    The driver's transaction sees one moment, that of recorded.
    """
    family = await links.family_of(driver, [key])
    gifts = await known.find_gifts(driver, family.related([key]))
    family = known.knowing(family, gifts)
    gift = family.origin_of(key) or key
    sources = [gift, *(rail for rail in family.rails_of(gift) if rail in gifts)]
    told = await facts.read(driver, sources)
    moves = (await positions.moves_of(driver, [gift])).get(gift, [])
    batches = {move.batch_id for move in moves} | {gifts[one].batch_id for one in sources}
    times = await _times(driver, batches)
    told_of = [(source, told.get(source, Told())) for source in sources]
    return replace(
        recorded,
        refunds=_refunds(told_of, await facts.refund_batches(driver, sources)),
        reports=_reports(sources, gifts, times, family.contradictor_of(gift) or gift),
        disputes=[dispute for _, one in told_of for dispute in one.disputes],
        stages=[event for _, one in told_of for event in one.stages],
        moves=[
            RecordedMove(move.kind, move.micros, times[move.batch_id], move.batch_id)
            for move in moves
        ],
        allocations=await allocations.decisions(driver, gift) if gifts[gift].decisions else (),
    )


async def _times(driver: Driver, batches: Iterable[UUID]) -> dict[UUID, datetime]:
    found = await driver.execute(_TIMES, [sorted(batches)])
    return dict(await found.fetchall())


def _refunds(
    told: Sequence[tuple[Key, Told]], batches: dict[FactKey, UUID]
) -> Sequence[RecordedRefund]:
    found = [
        RecordedRefund(
            refund.refund_id,
            refund.amount_micros,
            refund.currency,
            refund.cumulative,
            refund.event_time_micros,
            batches.get(facts.key_of(source, refund)),
            refund.partner,
        )
        for source, one in told
        for refund in one.refunds
    ]
    return sorted(found, key=lambda refund: (refund.event_time_micros, refund.refund_id))


def _reports(
    sources: Sequence[Key],
    gifts: dict[Key, KnownGift],
    times: dict[UUID, datetime],
    counted: Key,
) -> Sequence[RecordedReport]:
    """The gift's own report, then its rail's. counted: the report that they belong to."""
    own = gifts[counted].gift
    return [
        RecordedReport(
            reported.partner,
            reported.external_id,
            reported.amount_micros,
            reported.currency,
            reported.event_time_micros,
            times[gifts[source].batch_id],
            gifts[source].batch_id,
            (own.partner, own.external_id),
        )
        for source in sources
        for reported in [gifts[source].gift]
    ]
