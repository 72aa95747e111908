"""A partner's bulk stream: batches in, acknowledgements out, in order, several under way.

A stream is durable up to an offset, which moves only over batches that are durable themselves; so
reconnecting at the offset, or at any before it, loses nothing and counts nothing twice. At most
`in_flight` batches are held at a time, from before they are read until their acknowledgement is
taken: whoever sends too fast, or does not read, waits, and holds up nobody else.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.donations.commit.committer import StreamLane
from services.donations.commit.measuring import count_gifts
from services.donations.commit.submission import Committed, StreamPosition, Submission, Watermark
from services.donations.domain import Outcome, moment_of
from services.donations.gifts.columns import Admission, GiftBatch, admitted, require_shape
from services.donations.gifts.tokens import DonorTokens
from services.donations.gifts.validation import EARLIEST_MICROS, Refusal, latest_micros
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason


@dataclass(frozen=True, slots=True)
class IncomingBatch:
    """A batch as it came. offset: how many rows the stream held before it.

    count, micros: its sender's own totals. complete_until_micros: see submission.Watermark.
    """

    offset: int
    gifts: GiftBatch
    count: int
    micros: int
    complete_until_micros: int | None = None


@dataclass(frozen=True, slots=True)
class AcknowledgedBatch:
    """A batch that is durable. outcomes, refusals: one a row, as numbers of Outcome and Refusal.

    batch_id: the intake batch that carries what was accepted; None if nothing was.
    """

    offset: int
    outcomes: NDArray[np.uint8]
    refusals: NDArray[np.uint8]
    batch_id: UUID | None

    def count(self, outcome: Outcome) -> int:
        """How many rows have an outcome."""
        return int((self.outcomes == outcome).sum())

    def notable_rows(self) -> Iterable[tuple[int, Outcome, Refusal]]:
        """Position, outcome and refusal of each row that is suspended, conflicting or refused."""
        notable = np.isin(self.outcomes, _NOTABLE)
        for row in np.flatnonzero(notable).tolist():
            yield row, Outcome(int(self.outcomes[row])), Refusal(int(self.refusals[row]))


_NOTABLE = np.array([Outcome.SUSPENDED, Outcome.CONFLICTING, Outcome.REFUSED], dtype=np.uint8)


class _UnderWay(NamedTuple):
    offset: int
    admission: Admission
    done: asyncio.Future[Committed]


class BulkStream:
    """One connection of one stream."""

    def __init__(
        self,
        partner: str,
        stream_id: str,
        next_offset: int,
        lane: StreamLane,
        tokens: DonorTokens,
        clock: Clock,
        *,
        in_flight: int,
    ) -> None:
        """next_offset: how far the stream is durable. in_flight: batches held at a time."""
        self._partner = partner
        self._stream_id = stream_id
        self._next_offset = next_offset
        self._lane = lane
        self._tokens = tokens
        self._clock = clock
        self._slots = asyncio.Semaphore(in_flight)

    async def acknowledgements(
        self, incoming: AsyncIterator[IncomingBatch]
    ) -> AsyncIterator[AcknowledgedBatch]:
        """Reads batches and acknowledges each, in order, when it is durable.

        A batch that cannot be taken ends the stream with its Fault (see `columns.require_shape`,
        and STREAM_OFFSET_GAP), after the batches before it are acknowledged.
        """
        under_way: asyncio.Queue[_UnderWay | Exception | None] = asyncio.Queue()
        reading = asyncio.create_task(self._read(incoming, under_way))
        try:
            # Bounded by the slots: the reader takes one for each thing that it puts here.
            while (item := await under_way.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield _acknowledged(item, await item.done)
                self._slots.release()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(
        self,
        incoming: AsyncIterator[IncomingBatch],
        under_way: "asyncio.Queue[_UnderWay | Exception | None]",
    ) -> None:
        try:
            while True:
                await self._slots.acquire()
                batch = await anext(incoming, None)
                under_way.put_nowait(None if batch is None else await self._submit(batch))
                if batch is None:
                    return
        except Exception as error:  # noqa: BLE001  raised where the acknowledgements are made
            under_way.put_nowait(error)

    async def _submit(self, batch: IncomingBatch) -> _UnderWay:
        if batch.offset < 0:
            raise Fault(Reason.FIELD_INVALID, "offset must be 0 or more", field="offset")
        if batch.offset > self._next_offset:
            raise Fault(
                Reason.STREAM_OFFSET_GAP,
                f"the batch begins at {batch.offset} and the stream goes on at "
                f"{self._next_offset}; send from there",
                expected_offset=str(self._next_offset),
            )
        require_shape(batch.gifts, batch.count, batch.micros)
        latest = latest_micros(self._clock())
        watermark = self._watermark(batch.complete_until_micros, latest)
        admission = admitted(self._partner, batch.gifts, latest, self._tokens)
        end = batch.offset + len(batch.gifts)
        self._next_offset = max(self._next_offset, end)
        submission = Submission(
            columns=admission.columns,
            position=StreamPosition(self._partner, self._stream_id, end),
            watermark=watermark,
        )
        done = await self._lane.submit(submission)
        refused = len(batch.gifts) - len(admission.rows)
        if refused:
            count_gifts(self._partner, Outcome.REFUSED, refused)
        return _UnderWay(batch.offset, admission, done)

    def _watermark(self, micros: int | None, latest: int) -> Watermark | None:
        if micros is None:
            return None
        if not EARLIEST_MICROS <= micros <= latest:
            raise Fault(
                Reason.FIELD_INVALID,
                "complete_until_time must lie between the year 2000 and now",
                field="complete_until_time",
            )
        return Watermark(self._partner, moment_of(micros))


def _acknowledged(item: _UnderWay, committed: Committed) -> AcknowledgedBatch:
    outcomes = np.full(len(item.admission.refusals), Outcome.REFUSED, dtype=np.uint8)
    outcomes[item.admission.rows] = committed.outcomes
    accepted = np.isin(committed.outcomes, _ACCEPTED).any()
    return AcknowledgedBatch(
        item.offset,
        outcomes,
        item.admission.refusals,
        committed.batch_id if accepted else None,
    )


_ACCEPTED = np.array([Outcome.ACCEPTED, Outcome.SUSPENDED], dtype=np.uint8)
