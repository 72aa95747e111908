"""The partner's client: gifts and refunds over mTLS, counted once however often they are sent.

    async with connect("intake.example:8443", ca="ca.crt", certificate="me.crt", key="me.key") as c:
        gift = Gift("2026090522001", "library", to_micros("12.34"), "CNY", datetime.now(UTC))
        answer = await c.record_donation(gift)

Every call has a deadline and raises WatersmeetError. A server that is away, stopping or full is
tried again within the deadline, under the same ids, so a gift is recorded once.
"""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
import grpc.aio

from watersmeet import __version__
from watersmeet._batches import (
    ROWS_MAX,
    Gift,
    batches,
    build_batch,
    require_micros,
    require_zone,
)
from watersmeet._errors import (
    DEADLINE_EXCEEDED,
    HANDSHAKE_FAILED,
    HANDSHAKE_REFUSED,
    UNREACHABLE,
    WatersmeetError,
)
from watersmeet._life import Dispute, LifeCalls
from watersmeet._money import from_micros, to_micros
from watersmeet._orders import Order, Pledge, PledgeCalls
from watersmeet._retry import retried
from watersmeet._stream import DonationStream, open_stream
from watersmeet._window import Window
from watersmeet.donations.v1.donation_intake_service_pb2 import (
    BatchAcknowledgement,
    Donation,
    DonationBatch,
    GetDonationRequest,
    RecordDonationRequest,
    RecordDonationResponse,
    RecordRefundRequest,
    RecordRefundResponse,
)
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.donations.v1.donor_service_pb2 import (
    DonorContact,
    EraseDonorRequest,
    EraseDonorResponse,
    PutDonorRequest,
    PutDonorResponse,
)
from watersmeet.donations.v1.donor_service_pb2_grpc import DonorServiceStub

__all__ = [
    "HANDSHAKE_FAILED",
    "HANDSHAKE_REFUSED",
    "ROWS_MAX",
    "UNREACHABLE",
    "Client",
    "Dispute",
    "DonorContact",
    "Gift",
    "Order",
    "Pledge",
    "Refund",
    "WatersmeetError",
    "build_batch",
    "connect",
    "from_micros",
    "to_micros",
]

if TYPE_CHECKING:
    RequestT = TypeVar("RequestT")
    ResponseT = TypeVar("ResponseT")

Pem = bytes | str | os.PathLike[str]
"""PEM as bytes, or the path of a file that holds it."""

# A batch of 10,000 gifts has at most about 3 MiB, an acknowledgement that names each of its rows
# at most about 4.
_MESSAGE_MAX_BYTES = 16 * 1024 * 1024
_OPTIONS = (
    ("grpc.max_send_message_length", _MESSAGE_MAX_BYTES),
    ("grpc.max_receive_message_length", _MESSAGE_MAX_BYTES),
    # Retries happen here, where the ids and RetryInfo are known.
    ("grpc.enable_retries", 0),
    ("grpc.primary_user_agent", f"watersmeet-python/{__version__}"),
)
_HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund of a gift, in full or in part.

    external_id: the gift's id. refund_id: the platform's own id, unique within the gift.
    amount_micros: what this refund gives back. event_time: when, with a time zone.
    """

    external_id: str
    refund_id: str
    amount_micros: int
    currency: str
    event_time: datetime

    def __post_init__(self) -> None:
        require_micros(self.amount_micros)
        require_zone(self.event_time)


def connect(
    target: str,
    *,
    ca: Pem,
    certificate: Pem,
    key: Pem,
    timeout_s: float = 30.0,
    calls_at_once: int = 100,
) -> "Client":
    """A client of the intake at target ("host:port"), to be used as `async with`.

    ca: the authority of the server's certificate. certificate, key: the partner's own; the SPIFFE
    URI in the certificate says who calls. timeout_s: what each call may take, retries included.
    calls_at_once: more wait here, the newest goes first; streams are counted apart.
    Connects at the first call; through the HTTP proxy that the environment names, if it names one
    and the target is not this machine. Raises OSError if a file cannot be read. Call it where an
    event loop runs.
    """
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_pem(ca), private_key=_pem(key), certificate_chain=_pem(certificate)
    )
    is_here = target.rpartition(":")[0] in _HERE
    options = (*_OPTIONS, ("grpc.enable_http_proxy", int(not is_here)))
    channel = grpc.aio.secure_channel(target, credentials, options=options)
    return Client(channel, timeout_s=timeout_s, calls_at_once=calls_at_once)


def _pem(source: Pem) -> bytes:
    return source if isinstance(source, bytes) else Path(source).read_bytes()


class Client(PledgeCalls, LifeCalls):
    """A partner's connection to the intake. Made by connect()."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout_s: float, calls_at_once: int) -> None:
        PledgeCalls.__init__(self, channel)
        LifeCalls.__init__(self, channel)
        self._channel = channel
        self._timeout_s = timeout_s
        self._window = Window(calls_at_once)
        self._stub = DonationIntakeServiceStub(channel)
        self._donors = DonorServiceStub(channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls under way fail."""
        await self._channel.close()

    async def record_donation(
        self, gift: Gift, *, request_id: str | None = None
    ) -> RecordDonationResponse:
        """Records one gift; it is durable at the answer. The same gift again is a replay.

        Raises WatersmeetError, among others DONATION_CONFLICT if the id was recorded with other
        content.
        """
        request = RecordDonationRequest(
            request_id=request_id or str(uuid.uuid4()),
            external_id=gift.external_id,
            project=gift.project,
            campaign=gift.campaign,
            donor_reference=gift.donor_reference,
            rail=gift.rail,
            rail_id=gift.rail_id,
        )
        request.amount.currency_code = gift.currency
        request.amount.micros = gift.amount_micros
        request.event_time.FromDatetime(gift.event_time)
        return await self._call(self._stub.RecordDonation, request)

    async def record_refund(
        self, refund: Refund, *, request_id: str | None = None
    ) -> RecordRefundResponse:
        """Records one refund; it is durable at the answer, and may come before its gift.

        Raises WatersmeetError, among others REFUND_CONFLICT.
        """
        request = RecordRefundRequest(
            request_id=request_id or str(uuid.uuid4()),
            external_id=refund.external_id,
            refund_id=refund.refund_id,
        )
        request.amount.currency_code = refund.currency
        request.amount.micros = refund.amount_micros
        request.event_time.FromDatetime(refund.event_time)
        return await self._call(self._stub.RecordRefund, request)

    async def get_donation(self, external_id: str) -> Donation:
        """One of the partner's gifts with its refunds.

        Raises WatersmeetError, among others DONATION_NOT_FOUND.
        """
        request = GetDonationRequest(external_id=external_id)
        return (await self._call(self._stub.GetDonation, request)).donation

    async def put_donor(
        self,
        donor_reference: str,
        contact: DonorContact,
        update_time: datetime,
        *,
        request_id: str | None = None,
    ) -> PutDonorResponse:
        """Has a donor's contact kept, sealed; of several the one with the latest update_time.

        update_time: when the partner learned of it, with a time zone. Raises WatersmeetError, among
        others DONOR_ERASED.
        """
        require_zone(update_time)
        request = PutDonorRequest(
            request_id=request_id or str(uuid.uuid4()),
            donor_reference=donor_reference,
            contact=contact,
        )
        request.update_time.FromDatetime(update_time)
        return await self._call(self._donors.PutDonor, request)

    async def erase_donor(
        self, donor_reference: str, *, request_id: str | None = None
    ) -> EraseDonorResponse:
        """Has a donor's contact erased, for good; gifts stay counted. Raises WatersmeetError."""
        request = EraseDonorRequest(
            request_id=request_id or str(uuid.uuid4()), donor_reference=donor_reference
        )
        return await self._call(self._donors.EraseDonor, request)

    async def stream_donations(
        self,
        gifts: Iterable[Gift | DonationBatch] | AsyncIterable[Gift | DonationBatch],
        *,
        stream_id: str,
        offset: int = 0,
        batch_rows: int = 5_000,
        in_flight: int = 4,
        patience_s: float = 60.0,
    ) -> AsyncGenerator[BatchAcknowledgement, None]:
        """Records many gifts; yields an acknowledgement for each batch, in order, when it is
        durable.

        gifts: any number, read only as far as there is room; gifts are gathered into batches of
        batch_rows (a change of currency ends one early), prepared batches (build_batch) go as they
        are. Memory holds at most in_flight batches and the one being gathered. A broken connection
        is opened again under the same stream_id, and what was not acknowledged is sent again.
        stream_id: the partner's name for this sequence of gifts. offset: how many of its gifts come
        before the first one given here; sending from 0 again is safe, going on at stream_offset()
        is quicker. patience_s: how long to try without any progress.

        Raises WatersmeetError. What is not acknowledged by then may be recorded all the same;
        sending it again is safe. Raises what gifts raises, once all before it is acknowledged.
        """
        if not 1 <= batch_rows <= ROWS_MAX:
            raise ValueError(f"batch_rows is 1 to {ROWS_MAX}, not {batch_rows}")
        if in_flight < 1:
            raise ValueError("in_flight is at least 1")
        stream = DonationStream(
            self._stub,
            batches(gifts, rows=batch_rows, offset=offset),
            stream_id,
            in_flight=in_flight,
            timeout_s=self._timeout_s,
            patience_s=patience_s,
        )
        async with contextlib.aclosing(stream.acknowledgements()) as acknowledgements:
            async for acknowledgement in acknowledgements:
                yield acknowledgement

    async def stream_offset(self, stream_id: str) -> int:
        """How many gifts of the stream are acknowledged: where to go on. Raises WatersmeetError."""

        async def ask(timeout_s: float) -> int:
            call = self._stub.StreamDonations(timeout=timeout_s)
            try:
                return await open_stream(call, stream_id)
            finally:
                call.cancel()

        return await retried(ask, self._timeout_s)

    async def _call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: "RequestT",
    ) -> "ResponseT":
        async def ask(timeout_s: float) -> "ResponseT":
            return await method(request, timeout=timeout_s)

        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._timeout_s
        try:
            await self._window.enter(self._timeout_s)
        except TimeoutError:
            raise WatersmeetError(
                DEADLINE_EXCEEDED,
                f"the call was not sent: for {self._timeout_s:g} s newer ones took every place; "
                "send fewer at once, or stream them",
                code=grpc.StatusCode.DEADLINE_EXCEEDED,
            ) from None
        try:
            return await retried(ask, deadline_s - loop.time())
        finally:
            self._window.leave()
