"""Gifts as rows."""

from collections.abc import Mapping

from watersmeet.donations.v1 import donation_intake_service_pb2 as pb

from services.cli.reading.balances import amount_of
from services.cli.render import rfc3339, word
from services.cli.sheets.sheet import Column, Kind, Value, named

COLUMNS = (
    Column("partner", is_detail=True),
    Column("external_id"),
    Column("project"),
    Column("campaign", is_detail=True),
    Column("amount", Kind.AMOUNT),
    Column("refunded", Kind.AMOUNT),
    Column("unit"),
    # Another than the unit where another company's report of the gift is the one that counts.
    Column("refunded_unit", is_detail=True),
    Column("state"),
    Column("stands_in"),
    Column("given", Kind.TIME),
    Column("recorded", Kind.TIME, is_detail=True),
    Column("batch", is_detail=True),
    # Where it counts, if it stood in suspense.
    Column("allocated_to", is_detail=True),
)


def row_of(gift: pb.Donation) -> tuple[Value, ...]:
    """One gift, as it stands."""
    return (
        gift.partner,
        gift.external_id,
        gift.project,
        gift.campaign,
        amount_of(gift.amount),
        amount_of(gift.refunded),
        gift.amount.currency_code,
        gift.refunded.currency_code,
        word(pb.DonationState, gift.state),
        "suspense" if gift.suspended else "fund",
        rfc3339(gift.event_time),
        rfc3339(gift.recorded_time),
        gift.batch_id,
        gift.allocation.project or None,
    )


def facts_of(gift: pb.Donation) -> Mapping[str, Value]:
    """The same, each by its column's name."""
    return named(COLUMNS, row_of(gift))
