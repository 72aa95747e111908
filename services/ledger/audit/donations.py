"""What the donations service says of its batches, its records, and what it booked of each gift."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import grpc
from watersmeet.donations.v1 import batch_service_pb2 as pb
from watersmeet.donations.v1 import batch_service_pb2_grpc as pb_grpc
from watersmeet.donations.v1 import position_service_pb2 as position_pb
from watersmeet.donations.v1 import position_service_pb2_grpc as position_pb_grpc
from watersmeet.donations.v1 import record_service_pb2 as record_pb
from watersmeet.donations.v1 import record_service_pb2_grpc as record_pb_grpc

from services.ledger.audit.batches import BatchSummary
from services.ledger.audit.positions import CheckedGifts
from services.ledger.audit.records import CheckedRecords
from services.ledger.wire import convert
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error

Message = TypeVar("Message")
Told = TypeVar("Told")

_LONGEST_S = 86_400.0
"""For all of a stream. What it takes grows with the gifts that there ever were, so what is limited
closely is how long nothing comes."""


class DonationsBatches:
    """Asks the donations service to add up its batches again.

    Each stream raises Fault, DEPENDENCY_UNAVAILABLE if the service is away or falls silent.
    """

    def __init__(self, channel: grpc.aio.Channel, silence_s: float) -> None:
        """silence_s: the longest that the service may take from one message to the next."""
        self._batches = pb_grpc.BatchServiceStub(channel)
        self._positions = position_pb_grpc.PositionServiceStub(channel)
        self._records = record_pb_grpc.RecordServiceStub(channel)
        self._silence_s = silence_s

    def summaries(self) -> AsyncIterator[BatchSummary]:
        """All batches by id."""
        request = pb.SummarizeBatchesRequest()
        call = self._batches.SummarizeBatches(request, timeout=_LONGEST_S)
        return self._told(call, convert.batch_summary_of)

    def positions(self) -> AsyncIterator[CheckedGifts]:
        """All gifts that anything happened to."""
        request = position_pb.CheckPositionsRequest()
        call = self._positions.CheckPositions(request, timeout=_LONGEST_S)
        return self._told(call, _checked_gifts_of)

    def records(self) -> AsyncIterator[CheckedRecords]:
        """All that is recorded besides gifts, table by table."""
        request = record_pb.CheckRecordsRequest()
        call = self._records.CheckRecords(request, timeout=_LONGEST_S)
        return self._told(call, _checked_records_of)

    async def _told(
        self, call: "grpc.aio.UnaryStreamCall[Any, Message]", read: Callable[[Message], Told]
    ) -> AsyncIterator[Told]:
        """What a call streams, read. The call ends with it."""
        messages = aiter(call)
        try:
            while True:
                async with asyncio.timeout(self._silence_s):
                    message = await anext(messages, None)
                if message is None:
                    return
                yield read(message)
        except TimeoutError:
            raise Fault(
                Reason.DEPENDENCY_UNAVAILABLE,
                f"the donations service has told nothing for {self._silence_s:g} s; look what "
                "keeps it, and run the audit again",
            ) from None
        except grpc.RpcError as error:
            raise fault_from_rpc_error(error) from error
        finally:
            call.cancel()


def _checked_gifts_of(part: position_pb.CheckPositionsResponse) -> CheckedGifts:
    differences = [
        f"gift {each.external_id} of {each.partner or 'nobody'}: {each.detail}"
        for each in part.differences
    ]
    return CheckedGifts(part.gifts, differences)


def _checked_records_of(part: record_pb.CheckRecordsResponse) -> CheckedRecords:
    differences = [f"{part.table}: {difference}" for difference in part.differences]
    return CheckedRecords(part.rows, part.unsealed, differences)
