"""What becomes of gifts: disputes, and whose gift each report is about."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeVar

import grpc.aio

from watersmeet._batches import require_micros, require_zone
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import life_service_pb2 as pb
from watersmeet.donations.v1.life_service_pb2_grpc import LifeServiceStub

if TYPE_CHECKING:
    RequestT = TypeVar("RequestT")
    ResponseT = TypeVar("ResponseT")

_STATUSES = {
    "opened": intake_pb.DISPUTE_STATUS_OPENED,
    "won": intake_pb.DISPUTE_STATUS_WON,
    "lost": intake_pb.DISPUTE_STATUS_LOST,
}


@dataclass(frozen=True, slots=True)
class Dispute:
    """That a payer contests a gift, or how that ended: one for each status.

    external_id: the gift's id. dispute_id: the platform's own id, unique within the gift.
    status: "opened"; "won" where the payment stands; "lost" where the payer got the money back.
    amount_micros: what is contested, or what the payer got. event_time: when, with a time zone.
    """

    external_id: str
    dispute_id: str
    status: Literal["opened", "won", "lost"]
    amount_micros: int
    currency: str
    event_time: datetime

    def __post_init__(self) -> None:
        if self.status not in _STATUSES:
            raise ValueError(f"a dispute is {', '.join(_STATUSES)}, not {self.status!r}")
        require_micros(self.amount_micros)
        require_zone(self.event_time)


class LifeCalls(ABC):
    """The part of the client that is about what becomes of gifts."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._life = LifeServiceStub(channel)

    async def record_dispute(
        self, dispute: Dispute, *, request_id: str | None = None
    ) -> pb.RecordDisputeResponse:
        """Records that a gift is contested, or how that ended; it is durable at the answer.

        It may come before its gift, and a close before its opening. The same again is a replay.
        Raises WatersmeetError, among others DISPUTE_CONFLICT.
        """
        request = pb.RecordDisputeRequest(
            request_id=request_id or str(uuid.uuid4()),
            external_id=dispute.external_id,
            dispute_id=dispute.dispute_id,
            status=_STATUSES[dispute.status],
        )
        request.amount.currency_code = dispute.currency
        request.amount.micros = dispute.amount_micros
        request.event_time.FromDatetime(dispute.event_time)
        return await self._call(self._life.RecordDispute, request)

    async def list_reports(self) -> AsyncGenerator[intake_pb.DonationReport, None]:
        """All that the partner reported, each with whose gift it is about, read page by page.

        Raises WatersmeetError.
        """
        token = ""
        while True:
            request = pb.ListReportsRequest(page_size=1_000, page_token=token)
            page = await self._call(self._life.ListReports, request)
            for report in page.reports:
                yield report
            token = page.next_page_token
            if not token:
                return

    @abstractmethod
    async def _call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: "RequestT",
    ) -> "ResponseT":
        """Makes a call, as often as it may pass."""
