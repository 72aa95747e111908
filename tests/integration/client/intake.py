"""A stand-in for the intake: keeps gifts in a dict, and fails as it is told to."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped]
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1 import life_service_pb2 as life_pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import (
    DonationIntakeServiceServicer,
    add_DonationIntakeServiceServicer_to_server,
)
from watersmeet.donations.v1.life_service_pb2_grpc import (
    LifeServiceServicer,
    add_LifeServiceServicer_to_server,
)

from .certificates import Authority


async def fail(
    context: Any,
    code: grpc.StatusCode,
    reason: str,
    *,
    retry_after_s: float | None = None,
    **metadata: str,
) -> None:
    """Ends the call as Watersmeet's servers do."""
    status = status_pb2.Status(code=code.value[0], message=f"told to fail with {reason}")
    info = error_details_pb2.ErrorInfo(reason=reason, domain="watersmeet", metadata=metadata)
    status.details.add().Pack(info)
    if retry_after_s is not None:
        delay = Duration(nanos=int(retry_after_s * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    await context.abort_with_status(rpc_status.to_status(status))


class Intake(DonationIntakeServiceServicer):
    """failures: what the next calls fail with. The stream's own switches are below."""

    def __init__(self) -> None:
        self.gifts: dict[str, int] = {}
        self.event_times: set[datetime] = set()
        self.request_ids: list[str] = []
        self.failures: deque[dict[str, Any]] = deque()
        self.next_offset = 0
        self.openings: list[str] = []
        self.acknowledges_from_opening = 0
        self.batches = 0
        self.acknowledge = asyncio.Event()
        self.acknowledge.set()
        self.ends_early_after: int | None = None

    async def _fail_if_told(self, context: Any) -> None:
        if self.failures:
            await fail(context, **self.failures.popleft())

    async def RecordDonation(self, request: Any, context: Any) -> Any:
        self.request_ids.append(request.request_id)
        await self._fail_if_told(context)
        self.event_times.add(request.event_time.ToDatetime(UTC))
        known = request.external_id in self.gifts
        if self.gifts.setdefault(request.external_id, request.amount.micros) != (
            request.amount.micros
        ):
            await fail(context, grpc.StatusCode.ALREADY_EXISTS, "DONATION_CONFLICT")
        return pb.RecordDonationResponse(
            outcome=pb.OUTCOME_REPLAYED if known else pb.OUTCOME_ACCEPTED,
            donation=self._donation(request.external_id),
        )

    async def RecordRefund(self, request: Any, context: Any) -> Any:
        self.request_ids.append(request.request_id)
        await self._fail_if_told(context)
        refund = pb.Refund(refund_id=request.refund_id, amount=request.amount)
        return pb.RecordRefundResponse(outcome=pb.OUTCOME_WAITING, refund=refund)

    async def GetDonation(self, request: Any, context: Any) -> Any:
        await self._fail_if_told(context)
        return pb.GetDonationResponse(donation=self._donation(request.external_id))

    async def ListDonations(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def AcceptNotification(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    def _donation(self, external_id: str) -> pb.Donation:
        donation = pb.Donation(partner="alipay", external_id=external_id)
        donation.amount.micros = self.gifts[external_id]
        return donation

    async def StreamDonations(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        opening = (await anext(request_iterator)).opening
        self.openings.append(opening.stream_id)
        if len(self.openings) == self.acknowledges_from_opening:
            self.acknowledge.set()
        await self._fail_if_told(context)
        opened = pb.StreamOpened(next_offset=self.next_offset)
        yield pb.StreamDonationsResponse(opened=opened)
        async for request in request_iterator:
            batch = request.batch
            self.batches += 1
            await self._fail_if_told(context)
            if sum(batch.amounts_micros) != batch.control_totals.micros:
                await fail(context, grpc.StatusCode.INVALID_ARGUMENT, "CONTROL_TOTALS_MISMATCH")
            await self.acknowledge.wait()
            self.event_times.update(
                datetime.fromtimestamp(micros / 1_000_000, UTC)
                for micros in set(batch.event_times_micros)
            )
            new = [name for name in batch.external_ids if name not in self.gifts]
            self.gifts.update(zip(batch.external_ids, batch.amounts_micros, strict=True))
            rows = len(batch.external_ids)
            self.next_offset = max(self.next_offset, batch.offset + rows)
            acknowledgement = pb.BatchAcknowledgement(
                offset=batch.offset, accepted=len(new), replayed=rows - len(new)
            )
            yield pb.StreamDonationsResponse(acknowledgement=acknowledgement)
            if self.ends_early_after is not None and self.batches >= self.ends_early_after:
                self.ends_early_after = None
                return


class Life(LifeServiceServicer):
    """Remembers disputes, and lists three reports, two a page."""

    def __init__(self) -> None:
        self.disputes: list[life_pb.RecordDisputeRequest] = []

    async def RecordDispute(self, request: Any, context: Any) -> Any:
        self.disputes.append(request)
        return life_pb.RecordDisputeResponse(outcome=pb.OUTCOME_ACCEPTED)

    async def ListReports(self, request: Any, context: Any) -> Any:
        first = int(request.page_token or 0)
        return life_pb.ListReportsResponse(
            reports=[
                pb.DonationReport(external_id=f"A-{n}") for n in range(first, min(first + 2, 3))
            ],
            next_page_token="2" if first == 0 else "",
        )


class Server:
    """The stand-in behind mTLS on a loopback port."""

    def __init__(self, intake: Intake, authority: Authority) -> None:
        self.intake = intake
        self.life = Life()
        self._pair = authority.server()
        self._ca = authority.pem
        self.port = 0

    async def start(self) -> None:
        self._server = grpc.aio.server()
        add_DonationIntakeServiceServicer_to_server(self.intake, self._server)
        add_LifeServiceServicer_to_server(self.life, self._server)
        credentials = grpc.ssl_server_credentials(
            [(self._pair.key, self._pair.certificate)], self._ca, require_client_auth=True
        )
        self.port = self._server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"


class Line:
    """A TCP line to a server that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    async def __aenter__(self) -> "Line":
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.target = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Breaks every connection at once, without a goodbye."""
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, there_writer}
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._copy(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass  # cut
        finally:
            sink.transport.abort()
            self._writers.discard(sink)
