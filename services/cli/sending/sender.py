"""Sends a file's rows over a stream and accounts for every one of them."""

import uuid
from collections import deque
from collections.abc import Callable, Iterator

from watersmeet.client import Client, build_batch
from watersmeet.donations.v1.donation_intake_service_pb2 import (
    OUTCOME_CONFLICTING,
    OUTCOME_SUSPENDED,
    BatchAcknowledgement,
    DonationBatch,
    RowResult,
)

from services.cli.render import reason_of
from services.cli.sending.batches import Batch, batches
from services.cli.sending.gift_file import GiftFile, GiftRow, MalformedRow
from services.cli.sending.refused_file import RefusedFile
from services.cli.sending.summary import Summary

_IN_FLIGHT = 4


class Sender:
    """Sends one file once. Memory holds a few batches, however long the file is."""

    def __init__(
        self, file: GiftFile, refused: RefusedFile, progress: Callable[[Summary], None]
    ) -> None:
        """progress: called after each acknowledged batch."""
        self.summary = Summary()
        self._file = file
        self._refused = refused
        self._progress = progress
        self._in_flight: deque[Batch] = deque()

    async def send(self, client: Client, batch_rows: int) -> None:
        """Sends everything. Raises WatersmeetError; the summary then holds what is known."""
        # A name of its own for each run, so that every row is answered anew.
        stream_id = f"send.{uuid.uuid4().hex}"
        acknowledgements = client.stream_donations(
            self._batches(batch_rows), stream_id=stream_id, in_flight=_IN_FLIGHT
        )
        async for acknowledgement in acknowledgements:
            self._acknowledged(self._in_flight.popleft(), acknowledgement)
            self._progress(self.summary)

    def _batches(self, rows: int) -> Iterator[DonationBatch]:
        for batch in batches(self._well_formed(), rows):
            self._in_flight.append(batch)
            yield build_batch([row.gift for row in batch.rows])

    def _well_formed(self) -> Iterator[GiftRow]:
        for row in self._file.rows():
            if isinstance(row, MalformedRow):
                self.summary.refused += 1
                self._refused.add(row.cells, row.line, "refused", row.reason, row.message)
            else:
                yield row

    def _acknowledged(self, batch: Batch, answer: BatchAcknowledgement) -> None:
        told = answer.accepted + answer.replayed + answer.conflicting + answer.refused
        assert told == len(batch.rows), "every row is answered once"
        summary = self.summary
        summary.accepted += answer.accepted - answer.suspended
        summary.suspended += answer.suspended
        summary.replayed += answer.replayed
        summary.conflicting += answer.conflicting
        summary.refused += answer.refused
        recorded = sum(row.gift.amount_micros for row in batch.rows)
        for result in answer.rows:
            row = batch.rows[result.index]
            if result.outcome == OUTCOME_SUSPENDED:
                summary.suspend(row.gift.project, row.line)
            else:
                recorded -= row.gift.amount_micros
                self._not_accepted(row, result)
        summary.recorded_micros[batch.currency] += recorded

    def _not_accepted(self, row: GiftRow, result: RowResult) -> None:
        outcome = "conflicting" if result.outcome == OUTCOME_CONFLICTING else "refused"
        reason = reason_of(result.problem.reason)
        self._refused.add(row.cells, row.line, outcome, reason, result.problem.message)
