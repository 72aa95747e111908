"""`watersmeet donation`: one gift, who reported it, and what became of it."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as pb_grpc
from watersmeet.donations.v1.batch_service_pb2 import BatchLineKind

from services.cli.asking import asking
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading import reports
from services.cli.reading.balances import amount_of
from services.cli.reading.gifts import facts_of
from services.cli.render import rfc3339, word
from services.cli.sheets.present import AsJson, present_one
from services.cli.sheets.sheet import Column, Kind, Sheet, Value

_TIMEOUT_S = 30.0

_REFUNDS = (
    Column("refund"),
    Column("amount", Kind.AMOUNT),
    Column("unit"),
    Column("is"),
    Column("given_back", Kind.TIME),
    Column("reported_by"),
    Column("batch"),
)
_DISPUTES = (
    Column("dispute"),
    Column("status"),
    Column("amount", Kind.AMOUNT),
    Column("unit"),
    Column("happened", Kind.TIME),
    Column("reported_by"),
)
_DECISIONS = (
    Column("allocated_to"),
    Column("for_campaign"),
    Column("by"),
    Column("decided", Kind.TIME),
    Column("request"),
)
_EVENTS = (
    Column("moved"),
    Column("amount", Kind.AMOUNT),
    Column("unit"),
    Column("booked", Kind.TIME),
    Column("batch"),
)


def donation(
    partner: Annotated[str, typer.Argument(metavar="PARTNER", help="weibo, say.")],
    external_id: Annotated[str, typer.Argument(metavar="ID", help="The partner's id of the gift.")],
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Show a gift with its reports, refunds and disputes, and how its money has moved.

    A batch is an entry of the ledger: `watersmeet entries --batch UUID` shows it.
    """
    request = pb.GetDonationRequest(partner=partner, external_id=external_id)
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.DonationIntakeServiceStub(channel)
        found = stub.GetDonation(request, timeout=_TIMEOUT_S).donation
    present_one({**facts_of(found), **_allocation(found)}, _parts(found), as_json=as_json)


def _allocation(gift: pb.Donation) -> Mapping[str, Value]:
    """Where a gift that stood in suspense counts, and who decided it."""
    if not gift.HasField("allocation"):
        return {}
    decided = gift.allocation
    return {
        "counts_for_campaign": decided.campaign or None,
        "allocated_by": decided.caller,
        "allocated": rfc3339(decided.allocate_time),
        "allocated_by_request": decided.request_id,
    }


def _parts(gift: pb.Donation) -> Sequence[Sheet]:
    return (
        Sheet("reports", reports.OF_ONE_GIFT, [reports.row_of(report) for report in gift.reports]),
        Sheet("refunds", _REFUNDS, [_refund(refund) for refund in gift.refunds]),
        Sheet("disputes", _DISPUTES, [_dispute(dispute) for dispute in gift.disputes]),
        Sheet("allocations", _DECISIONS, [_decision(decided) for decided in gift.allocations]),
        Sheet("events", _EVENTS, [_event(event) for event in gift.events]),
    )


def _refund(refund: pb.Refund) -> Sequence[Value]:
    return (
        refund.refund_id,
        amount_of(refund.amount),
        refund.amount.currency_code,
        "all so far" if refund.cumulative else "this one",
        rfc3339(refund.event_time),
        refund.partner,
        # One that waits for its gift is in none.
        refund.batch_id or None,
    )


def _dispute(dispute: pb.Dispute) -> Sequence[Value]:
    return (
        dispute.dispute_id,
        word(pb.DisputeStatus, dispute.status),
        amount_of(dispute.amount),
        dispute.amount.currency_code,
        rfc3339(dispute.event_time),
        dispute.partner,
    )


def _decision(decided: pb.DonationAllocation) -> Sequence[Value]:
    return (
        decided.project or "back in suspense",
        decided.campaign or None,
        decided.caller,
        rfc3339(decided.allocate_time),
        decided.request_id,
    )


def _event(event: pb.LifeEvent) -> Sequence[Value]:
    return (
        word(BatchLineKind, event.kind),
        amount_of(event.amount),
        event.amount.currency_code,
        rfc3339(event.recorded_time),
        event.batch_id,
    )
