"""PositionService: convert, call, convert."""

from collections.abc import AsyncIterator
from typing import Any

from watersmeet.donations.v1 import position_service_pb2 as pb
from watersmeet.donations.v1 import position_service_pb2_grpc as pb_grpc

from services.donations.proof.positions import check_positions
from services.donations.store.rederiving import LifeReader


class PositionService(pb_grpc.PositionServiceServicer):
    """The handlers. What each does stands in the proto."""

    def __init__(self, reader: LifeReader) -> None:
        self._reader = reader

    async def CheckPositions(
        self, _request: pb.CheckPositionsRequest, _context: Any
    ) -> AsyncIterator[pb.CheckPositionsResponse]:
        async for part in check_positions(self._reader):
            yield pb.CheckPositionsResponse(
                gifts=part.gifts,
                differences=[
                    pb.PositionDifference(
                        partner=difference.partner,
                        external_id=difference.external_id,
                        detail=difference.detail,
                    )
                    for difference in part.differences
                ],
            )
