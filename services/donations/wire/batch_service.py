"""BatchService: convert, call, convert."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from watersmeet.donations.v1 import batch_service_pb2 as pb
from watersmeet.donations.v1 import batch_service_pb2_grpc as pb_grpc

from services.donations.store.summary import BatchReader
from services.donations.wire import convert
from services.runtime.call import is_uuid
from services.runtime.errors import Fault, Reason


class BatchService(pb_grpc.BatchServiceServicer):
    """The handlers. What each does stands in the proto."""

    def __init__(self, reader: BatchReader) -> None:
        self._reader = reader

    async def SummarizeBatches(
        self, request: pb.SummarizeBatchesRequest, _context: Any
    ) -> AsyncIterator[pb.SummarizeBatchesResponse]:
        after = request.after_batch_id
        if after and not is_uuid(after):
            raise Fault(
                Reason.FIELD_INVALID,
                "after_batch_id must be a batch's UUID, or empty for all batches",
                field="after_batch_id",
            )
        async for batch in self._reader.summaries(UUID(after) if after else None):
            yield convert.summary_message(batch)
