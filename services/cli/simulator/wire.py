"""Reports in the contract's messages, and the contract's errors as a partner reads them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake
from watersmeet.type.v1.money_pb2 import Money

from services.cli.simulator.occasion import EPOCH
from services.cli.simulator.reports import Gift, Refund, Report

CURRENCY = "CNY"

# Worth another attempt with the same ids: the service is away or busy, or the outcome is unknown.
_TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNKNOWN,
    }
)
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class Access:
    """Where a service is and who calls it: PEM texts of the authority, certificate and key."""

    address: str
    ca: bytes
    certificate: bytes
    key: bytes = field(repr=False)


def open_channel(access: Access) -> grpc.aio.Channel:
    """A mutual TLS channel that comes back soon after its server does."""
    credentials = grpc.ssl_channel_credentials(access.ca, access.key, access.certificate)
    return grpc.aio.secure_channel(access.address, credentials, options=_CHANNEL_OPTIONS)


def record_donation(gift: Gift, request_id: str, partner: str) -> intake.RecordDonationRequest:
    """One gift, told in the name of a partner."""
    return intake.RecordDonationRequest(
        request_id=request_id,
        partner=partner,
        external_id=gift.external_id,
        project=gift.project,
        campaign=gift.campaign,
        amount=_money(gift.amount_micros, gift.currency),
        event_time=timestamp(gift.event_time),
        donor_reference=gift.donor,
    )


def record_refund(refund: Refund, request_id: str) -> intake.RecordRefundRequest:
    """One refund."""
    return intake.RecordRefundRequest(
        request_id=request_id,
        partner=refund.gift.partner,
        external_id=refund.gift.external_id,
        refund_id=refund.refund_id,
        amount=_money(refund.amount_micros, refund.gift.currency),
        event_time=timestamp(refund.event_time),
    )


def donation_batch(
    offset: int, reports: Sequence[Report], complete_until: datetime | None = None
) -> intake.DonationBatch:
    """A batch, in CNY, with control totals that tie. complete_until: see the contract."""
    gifts = [report.subject for report in reports if isinstance(report.subject, Gift)]
    assert len(gifts) == len(reports), "refunds travel one by one"
    assert all(gift.currency == CURRENCY for gift in gifts), "who streams has one currency"
    projects, project_indexes = _positions(gift.project for gift in gifts)
    campaigns, campaign_indexes = _positions(gift.campaign for gift in gifts)
    amounts = [gift.amount_micros for gift in gifts]
    return intake.DonationBatch(
        offset=offset,
        currency_code=CURRENCY,
        external_ids=[gift.external_id for gift in gifts],
        amounts_micros=amounts,
        event_times_micros=[_micros(gift.event_time) for gift in gifts],
        projects=projects,
        project_indexes=project_indexes,
        campaigns=campaigns,
        campaign_indexes=campaign_indexes if len(campaigns) > 1 else [],
        donor_references=[gift.donor for gift in gifts],
        control_totals=intake.ControlTotals(count=len(amounts), micros=sum(amounts)),
        complete_until_time=timestamp(complete_until) if complete_until else None,
    )


def altered(batch: intake.DonationBatch) -> intake.DonationBatch:
    """The batch with one amount changed on the way, so that its control totals do not tie."""
    changed = intake.DonationBatch()
    changed.CopyFrom(batch)
    changed.amounts_micros[0] += 1
    return changed


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The stable reason of `errors.v1` that a failed call carries; "" if it carries none."""
    for key, value in cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ()):
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == "watersmeet":
                    return str(info.reason)
    return ""


def is_transient(error: grpc.aio.AioRpcError) -> bool:
    """Whether the same call may succeed later.

    A killed server can end a call as INTERNAL or CANCELLED without saying more; a defect that the
    server noticed itself gives a reason, and is final.
    """
    return error.code() in _TRANSIENT or (
        error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED)
        and not reason_of(error)
    )


def in_words(error: grpc.aio.AioRpcError) -> str:
    """The error in a line, for people."""
    return f"{error.code().name} {reason_of(error)} {error.details()}"


def timestamp(moment: datetime) -> Timestamp:
    """An aware datetime as protobuf has it."""
    seconds, micros = divmod(_micros(moment), 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1_000)


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _money(micros: int, currency: str) -> Money:
    return Money(currency_code=currency, micros=micros)


def _positions(codes: Iterable[str]) -> tuple[list[str], list[int]]:
    """The different codes, and for each code its position among them."""
    known: dict[str, int] = {}
    indexes = [known.setdefault(code, len(known)) for code in codes]
    return list(known), indexes
