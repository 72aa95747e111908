"""What the donations service says of its batches, its records, and what it booked of each gift."""

from collections.abc import AsyncIterator

import grpc
from watersmeet.donations.v1 import batch_service_pb2 as pb
from watersmeet.donations.v1 import batch_service_pb2_grpc as pb_grpc
from watersmeet.donations.v1 import position_service_pb2 as position_pb
from watersmeet.donations.v1 import position_service_pb2_grpc as position_pb_grpc
from watersmeet.donations.v1 import record_service_pb2 as record_pb
from watersmeet.donations.v1 import record_service_pb2_grpc as record_pb_grpc

from services.ledger import convert
from services.ledger.audit.batches import BatchSummary
from services.ledger.audit.positions import CheckedGifts
from services.ledger.audit.records import CheckedRecords
from services.runtime.status import fault_from_rpc_error


class DonationsBatches:
    """Asks the donations service to add up its batches again."""

    def __init__(self, channel: grpc.aio.Channel, timeout_s: float) -> None:
        self._stub = pb_grpc.BatchServiceStub(channel)
        self._positions = position_pb_grpc.PositionServiceStub(channel)
        self._records = record_pb_grpc.RecordServiceStub(channel)
        self._timeout_s = timeout_s

    async def summaries(self) -> AsyncIterator[BatchSummary]:
        """All batches by id. Raises Fault, DEPENDENCY_UNAVAILABLE if the service is away."""
        call = self._stub.SummarizeBatches(pb.SummarizeBatchesRequest(), timeout=self._timeout_s)
        try:
            async for message in call:
                yield convert.batch_summary_of(message)
        except grpc.RpcError as error:
            raise fault_from_rpc_error(error) from error
        finally:
            call.cancel()

    async def positions(self) -> AsyncIterator[CheckedGifts]:
        """All gifts that anything happened to. Raises Fault, as summaries does."""
        call = self._positions.CheckPositions(
            position_pb.CheckPositionsRequest(), timeout=self._timeout_s
        )
        try:
            async for part in call:
                yield CheckedGifts(
                    part.gifts,
                    [
                        f"gift {each.external_id} of {each.partner or 'nobody'}: {each.detail}"
                        for each in part.differences
                    ],
                )
        except grpc.RpcError as error:
            raise fault_from_rpc_error(error) from error
        finally:
            call.cancel()

    async def records(self) -> AsyncIterator[CheckedRecords]:
        """All that is recorded besides gifts, table by table. Raises Fault, as summaries does."""
        call = self._records.CheckRecords(record_pb.CheckRecordsRequest(), timeout=self._timeout_s)
        try:
            async for part in call:
                yield CheckedRecords(
                    part.rows,
                    part.unsealed,
                    [f"{part.table}: {difference}" for difference in part.differences],
                )
        except grpc.RpcError as error:
            raise fault_from_rpc_error(error) from error
        finally:
            call.cancel()
