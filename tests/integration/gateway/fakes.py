"""A ledger and an intake as the gateway sees them over the wire, without what is behind them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from uuid import uuid4

from watersmeet.donations.v1 import notification_service_pb2 as intake_pb
from watersmeet.donations.v1 import notification_service_pb2_grpc as intake_grpc
from watersmeet.errors.v1 import errors_pb2
from watersmeet.ledger.v1 import feed_service_pb2 as feed_pb
from watersmeet.ledger.v1 import feed_service_pb2_grpc as feed_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc
from watersmeet.type.v1 import purpose_pb2
from watersmeet.type.v1.money_pb2 import Money

from services.runtime.errors import Fault, Reason

START = datetime(2019, 9, 5, 12, tzinfo=UTC)


def change(
    micros: int,
    count: int = 1,
    *,
    project: str = "clean-water",
    partner: str = "alipay",
    campaign: str = "week-2026",
    state: "pb.TotalState.ValueType" = pb.TOTAL_STATE_CLAIMED,
    hour: datetime = START,
    currency: str = "CNY",
    purpose: "purpose_pb2.Purpose.ValueType | None" = None,
) -> pb.TotalCell:
    """What an entry adds to one cell. purpose: charity if None, or unattributed in suspense."""
    if purpose is None:
        purpose = purpose_pb2.PURPOSE_CHARITY if project else purpose_pb2.PURPOSE_UNATTRIBUTED
    cell = pb.TotalCell(
        campaign=campaign,
        project=project,
        partner=partner,
        state=state,
        amount=Money(currency_code=currency, micros=micros),
        count=count,
        purpose=purpose,
    )
    cell.hour.FromDatetime(hour)
    return cell


class FakeLedger(pb_grpc.LedgerServiceServicer, feed_grpc.FeedServiceServicer):
    """Keeps totals and a feed of what it is told to post. Can fail in the ways a ledger can."""

    def __init__(self, *, checkpoint_s: float = 0.2) -> None:
        self.checkpoint_s = checkpoint_s
        self.entries: list[pb.PostedEntry] = []
        self.lost: set[int] = set()  # entries that the feed leaves out
        self.is_silent = False  # the feed says nothing, and stays open
        self.cuts: set[int] = set()  # entries after whose first part the feed ends, once
        self.snapshots = 0  # how often it was read
        self.streams: list[int] = []  # where readers of the feed began
        self.cells_a_message = 2
        self._posted = asyncio.Event()
        self._opened = asyncio.Event()

    async def until_streams(self, number: int) -> None:
        """Returns when the feed was opened so often."""
        async with asyncio.timeout(10):
            while len(self.streams) < number:
                await self._opened.wait()

    def post(self, *changes: pb.TotalCell, watermarks: Mapping[str, datetime] | None = None) -> int:
        """Writes an entry; returns its sequence."""
        sequence = len(self.entries) + 1
        metadata = {
            f"complete_until/{partner}": time.isoformat()
            for partner, time in (watermarks or {}).items()
        }
        entry = pb.Entry(
            sequence=sequence,
            metadata=metadata,
            previous_hash=self._hash_at(sequence - 1),
            hash=uuid4().bytes + uuid4().bytes,
        )
        entry.recorded_time.FromDatetime(datetime.now(UTC))
        self.entries.append(pb.PostedEntry(entry=entry, changes=changes))
        self._posted.set()
        self._posted = asyncio.Event()
        return sequence

    async def ReadTotals(
        self, request: pb.ReadTotalsRequest, context: object
    ) -> AsyncIterator[pb.ReadTotalsResponse]:
        self.snapshots += 1
        sequence = len(self.entries)
        cells = self._cells()
        for start in range(0, max(len(cells), 1), self.cells_a_message):
            message = pb.ReadTotalsResponse(
                as_of_sequence=sequence,
                as_of_hash=self._hash_at(sequence),
                cells=cells[start : start + self.cells_a_message],
            )
            if self.entries:
                message.as_of_time.CopyFrom(self.entries[-1].entry.recorded_time)
            for partner, time in self._watermarks().items():
                message.watermarks[partner].FromDatetime(time)
            yield message

    async def StreamTotals(
        self, request: feed_pb.StreamTotalsRequest, context: object
    ) -> AsyncIterator[feed_pb.StreamTotalsResponse]:
        sent = request.after_sequence
        self.streams.append(sent)
        self._opened.set()
        self._opened = asyncio.Event()
        if sent > len(self.entries):
            raise Fault(Reason.SEQUENCE_AHEAD, "the ledger is not so far")
        while True:
            posted = self._posted
            while not self.is_silent and sent < len(self.entries):
                sent += 1
                if sent not in self.lost:
                    for part in self._parts(sent):
                        yield feed_pb.StreamTotalsResponse(changes=[part])
                        if sent in self.cuts:
                            self.cuts.remove(sent)
                            return
            if not self.is_silent:
                checkpoint = _checkpoint(sent, self._hash_at(sent))
                yield feed_pb.StreamTotalsResponse(checkpoint=checkpoint)
            try:
                async with asyncio.timeout(self.checkpoint_s):
                    await posted.wait()
            except TimeoutError:
                pass  # time for a checkpoint

    def _hash_at(self, sequence: int) -> bytes:
        return self.entries[sequence - 1].entry.hash if sequence else bytes(32)

    def _parts(self, sequence: int) -> list[feed_pb.TotalsChange]:
        """What an entry changes, in parts of cells_a_message."""
        posted = self.entries[sequence - 1]
        cells, size = posted.changes, self.cells_a_message
        starts = range(0, max(len(cells), 1), size)
        parts = [
            feed_pb.TotalsChange(
                after_sequence=sequence - 1,
                as_of_sequence=sequence,
                after_hash=posted.entry.previous_hash,
                as_of_hash=posted.entry.hash,
                as_of_time=posted.entry.recorded_time,
                cells=cells[start : start + size],
                is_continued=start != starts[-1],
            )
            for start in starts
        ]
        for partner, time in _watermarks_of(posted.entry).items():
            parts[-1].watermarks[partner].FromDatetime(time)
        return parts

    def _cells(self) -> list[pb.TotalCell]:
        sums: dict[tuple[str, str, str, int, int, str, int], list[int]] = defaultdict(
            lambda: [0, 0]
        )
        for posted in self.entries:
            for cell in posted.changes:
                key = (
                    cell.campaign,
                    cell.project,
                    cell.partner,
                    cell.hour.seconds,
                    cell.state,
                    cell.amount.currency_code,
                    cell.purpose,
                )
                sums[key][0] += cell.amount.micros
                sums[key][1] += cell.count
        return [
            change(
                micros,
                count,
                campaign=campaign,
                project=project,
                partner=partner,
                hour=datetime.fromtimestamp(hour, UTC),
                state=pb.TotalState.ValueType(state),
                currency=currency,
                purpose=purpose_pb2.Purpose.ValueType(purpose),
            )
            for (campaign, project, partner, hour, state, currency, purpose), (
                micros,
                count,
            ) in sums.items()
        ]

    def _watermarks(self) -> dict[str, datetime]:
        return {
            partner: time
            for posted in self.entries
            for partner, time in _watermarks_of(posted.entry).items()
        }


def _watermarks_of(entry: pb.Entry) -> dict[str, datetime]:
    return {
        key.removeprefix("complete_until/"): datetime.fromisoformat(value)
        for key, value in entry.metadata.items()
    }


def _checkpoint(sequence: int, entry_hash: bytes) -> pb.Checkpoint:
    checkpoint = pb.Checkpoint(sequence=sequence, hash=entry_hash)
    checkpoint.time.FromDatetime(datetime.now(UTC))
    return checkpoint


Answer = Callable[[intake_pb.Notification], Awaitable[intake_pb.NotificationAcknowledgement]]


async def _success(_notice: intake_pb.Notification) -> intake_pb.NotificationAcknowledgement:
    return intake_pb.NotificationAcknowledgement(
        http_status=200, content_type="text/plain; charset=utf-8", body=b"success"
    )


class FakeIntake(intake_grpc.NotificationServiceServicer):
    """Keeps the notices that it is sent, and answers each as it is told.

    refusal: what every call as a whole fails with.
    """

    def __init__(self) -> None:
        self.notices: list[intake_pb.Notification] = []
        self.calls: list[int] = []  # how many notices each carried
        self.answer: Answer = _success
        self.refusal: Fault | None = None

    async def AcceptNotifications(
        self, request: intake_pb.AcceptNotificationsRequest, context: object
    ) -> intake_pb.AcceptNotificationsResponse:
        if self.refusal is not None:
            raise self.refusal
        self.notices += request.notifications
        self.calls.append(len(request.notifications))
        results = await asyncio.gather(*map(self._result, request.notifications))
        return intake_pb.AcceptNotificationsResponse(results=results)

    async def _result(self, notice: intake_pb.Notification) -> intake_pb.NotificationResult:
        try:
            return intake_pb.NotificationResult(acknowledgement=await self.answer(notice))
        except Fault as fault:
            refusal = intake_pb.NotificationRefusal(
                problem=errors_pb2.Problem(
                    reason=errors_pb2.ErrorReason.Value(f"ERROR_REASON_{fault.reason}"),
                    message=fault.message,
                )
            )
            if fault.retry_after is not None:
                refusal.retry_delay.FromMilliseconds(int(fault.retry_after * 1000))
            return intake_pb.NotificationResult(refusal=refusal)
