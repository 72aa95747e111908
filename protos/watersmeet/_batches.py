"""From gifts to the batches that travel: columns, control totals, offsets."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from watersmeet.donations.v1.donation_intake_service_pb2 import ControlTotals, DonationBatch

ROWS_MAX = 10_000
"""The most rows that a server takes in one batch."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Gift:
    """One gift, as its platform knows it.

    external_id: the platform's own id, unique for ever: 1 to 64 printable ASCII characters.
    project, campaign: codes; campaign may be "". amount_micros: whole and positive; see to_micros.
    currency: ISO 4217. event_time: when the payer gave, with a time zone.
    donor_reference: the platform's own reference to the donor; never a name, phone or address.
    rail, rail_id: the company whose payment channel moved the money, where that is another
    ("alipay", "stripe" or "tencent"), and its id of the payment; both or neither.
    """

    external_id: str
    project: str
    amount_micros: int
    currency: str
    event_time: datetime
    campaign: str = ""
    donor_reference: str = field(default="", repr=False)
    rail: str = ""
    rail_id: str = ""

    def __post_init__(self) -> None:
        require_micros(self.amount_micros)
        if bool(self.rail) != bool(self.rail_id):
            raise ValueError("rail and rail_id go together")
        require_zone(self.event_time)


def require_micros(amount: int) -> None:
    """Raises TypeError unless amount is a whole number."""
    if type(amount) is not int:
        raise TypeError(f"amount_micros is an int, not a {type(amount).__name__}; see to_micros")


def require_zone(time: datetime) -> None:
    """Raises ValueError unless time says its zone."""
    if time.utcoffset() is None:
        raise ValueError("event_time needs a time zone: datetime.now(UTC), not datetime.now()")


def build_batch(gifts: Sequence[Gift], *, complete_until: datetime | None = None) -> DonationBatch:
    """Gifts of one currency as a batch with its control totals; its offset is still 0.

    complete_until: all gifts made before this time have been sent, in this batch or before it.
    Raises ValueError for none, for more than ROWS_MAX, and for more than one currency.
    """
    if not 1 <= len(gifts) <= ROWS_MAX:
        raise ValueError(f"a batch holds 1 to {ROWS_MAX} gifts, not {len(gifts)}")
    if len({gift.currency for gift in gifts}) > 1:
        raise ValueError("a batch holds gifts of one currency")
    projects, project_indexes = _positions([gift.project for gift in gifts])
    campaigns, campaign_indexes = _positions([gift.campaign for gift in gifts])
    donors = [gift.donor_reference for gift in gifts]
    amounts = [gift.amount_micros for gift in gifts]
    named = any(gift.rail for gift in gifts)
    rails, rail_indexes = _positions([gift.rail for gift in gifts]) if named else ([], [])
    batch = DonationBatch(
        currency_code=gifts[0].currency,
        external_ids=[gift.external_id for gift in gifts],
        amounts_micros=amounts,
        event_times_micros=[(gift.event_time - _EPOCH) // _MICROSECOND for gift in gifts],
        projects=projects,
        project_indexes=project_indexes,
        campaigns=campaigns if campaigns != [""] else (),
        campaign_indexes=campaign_indexes if len(campaigns) > 1 else (),
        donor_references=donors if any(donors) else (),
        rails=rails,
        rail_indexes=rail_indexes if len(rails) > 1 else (),
        rail_ids=[gift.rail_id for gift in gifts] if named else (),
        control_totals=ControlTotals(count=len(gifts), micros=sum(amounts)),
    )
    if complete_until is not None:
        require_zone(complete_until)
        batch.complete_until_time.FromDatetime(complete_until)
    return batch


def _positions(values: Sequence[str]) -> tuple[list[str], list[int]]:
    """The distinct values in order of appearance, and each value's position among them."""
    places: dict[str, int] = {}
    indexes = [places.setdefault(value, len(places)) for value in values]
    return list(places), indexes


async def batches(
    source: Iterable[Gift | DonationBatch] | AsyncIterable[Gift | DonationBatch],
    *,
    rows: int,
    offset: int,
) -> AsyncIterator[DonationBatch]:
    """Batches with their offsets, in the source's order, so that the same source gives the same.

    Gifts are gathered into batches of so many rows; a change of currency, a prepared batch and the
    end of the source end a batch early. Prepared batches are copied; one that has no control totals
    gets those of its rows. Holds at most one batch of gifts.
    """
    gifts: list[Gift] = []

    def placed(batch: DonationBatch) -> DonationBatch:
        nonlocal offset
        batch.offset = offset
        offset += len(batch.external_ids)
        return batch

    async for item in _each(source):
        if gifts and (isinstance(item, DonationBatch) or item.currency != gifts[0].currency):
            yield placed(build_batch(gifts))
            gifts = []
        if isinstance(item, DonationBatch):
            yield placed(_prepared(item))
            continue
        gifts.append(item)
        if len(gifts) == rows:
            yield placed(build_batch(gifts))
            gifts = []
    if gifts:
        yield placed(build_batch(gifts))


def _prepared(batch: DonationBatch) -> DonationBatch:
    copy = DonationBatch()
    copy.CopyFrom(batch)
    if not copy.HasField("control_totals"):
        copy.control_totals.count = len(copy.external_ids)
        copy.control_totals.micros = sum(copy.amounts_micros)
    return copy


async def _each(
    source: Iterable[Gift | DonationBatch] | AsyncIterable[Gift | DonationBatch],
) -> AsyncIterator[Gift | DonationBatch]:
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
    else:
        for item in source:
            yield item
