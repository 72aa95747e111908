"""RecordService: convert, call, convert."""

from collections.abc import AsyncIterator
from typing import Any

from watersmeet.donations.v1 import record_service_pb2 as pb
from watersmeet.donations.v1 import record_service_pb2_grpc as pb_grpc

from services.donations.proof.records import check_records
from services.donations.store.proving import ProofReader


class RecordService(pb_grpc.RecordServiceServicer):
    """The handlers. What each does stands in the proto."""

    def __init__(self, reader: ProofReader) -> None:
        self._reader = reader

    async def CheckRecords(
        self, _request: pb.CheckRecordsRequest, _context: Any
    ) -> AsyncIterator[pb.CheckRecordsResponse]:
        async for part in check_records(self._reader):
            yield pb.CheckRecordsResponse(
                table=part.table,
                rows=part.rows,
                unsealed=part.unsealed,
                differences=part.differences,
            )
