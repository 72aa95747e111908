"""Companies' reports of gifts as rows."""

from watersmeet.donations.v1 import donation_intake_service_pb2 as pb

from services.cli.reading.balances import amount_of
from services.cli.render import rfc3339
from services.cli.sheets.sheet import Column, Kind, Value

COLUMNS = (
    Column("reported_by"),
    Column("id"),
    Column("amount", Kind.AMOUNT),
    Column("unit"),
    Column("given", Kind.TIME),
    Column("recorded", Kind.TIME, is_detail=True),
    Column("batch", is_detail=True),
    Column("of_partner"),
    Column("of_gift"),
    Column("counts"),
)

OF_ONE_GIFT = tuple(
    column._replace(is_detail=column.is_detail or column.name.startswith("of_"))
    for column in COLUMNS
)
"""The same where all are about the gift that is asked for."""


def row_of(report: pb.DonationReport) -> tuple[Value, ...]:
    """One report, and the gift that it is about."""
    return (
        report.partner,
        report.external_id,
        amount_of(report.amount),
        report.amount.currency_code,
        rfc3339(report.event_time),
        rfc3339(report.recorded_time),
        report.batch_id,
        report.gift_partner,
        report.gift_external_id,
        "yes" if report.counts else "no",
    )
