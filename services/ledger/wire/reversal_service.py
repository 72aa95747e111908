"""ReversalService: convert, call, convert."""

from watersmeet.ledger.v1 import reversal_service_pb2 as pb
from watersmeet.ledger.v1 import reversal_service_pb2_grpc as pb_grpc

from services.ledger.domain import Sums
from services.ledger.posting.reversals import Part, Reversals
from services.ledger.wire import convert
from services.runtime.errors import Fault, Reason
from services.runtime.served import Context

_PARTS_MAX = 1_000


class ReversalService(pb_grpc.ReversalServiceServicer):
    """Serves watersmeet.ledger.v1.ReversalService."""

    def __init__(self, reversals: Reversals) -> None:
        self._reversals = reversals

    async def ReverseEntry(
        self, request: pb.ReverseEntryRequest, _context: Context
    ) -> pb.ReverseEntryResponse:
        """Reverses an entry."""
        if request.sequence <= 0:
            raise Fault(Reason.FIELD_REQUIRED, "name the entry to reverse", field="sequence")
        if len(request.parts) > _PARTS_MAX:
            raise Fault(Reason.FIELD_INVALID, f"name at most {_PARTS_MAX:,} parts", field="parts")
        posting = await self._reversals.reverse(
            convert.entry_id_of(request.request_id, "request_id"),
            request.sequence,
            [
                Part(
                    part.position,
                    Sums(part.amount.micros, part.count),
                    part.amount.currency_code,
                )
                for part in request.parts
            ],
            value_time=convert.required_time(request),
            document=request.document,
        )
        return pb.ReverseEntryResponse(**posting._asdict())
