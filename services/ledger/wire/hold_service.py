"""HoldService: convert, call, convert."""

from watersmeet.ledger.v1 import hold_service_pb2 as pb
from watersmeet.ledger.v1 import hold_service_pb2_grpc as pb_grpc

from services.ledger.domain import TransferName
from services.ledger.posting.holds import Holds
from services.ledger.wire import convert
from services.ledger.wire.convert_holds import amount_of, hold_message, transfer_name_of
from services.runtime.paging import INTEGER_MAX, page_size, position_of, token_after
from services.runtime.served import Context


class HoldService(pb_grpc.HoldServiceServicer):
    """Serves watersmeet.ledger.v1.HoldService."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds

    async def CommitHold(
        self, request: pb.CommitHoldRequest, _context: Context
    ) -> pb.CommitHoldResponse:
        """Commits a hold."""
        name = transfer_name_of(request.name)
        micros = None
        if request.HasField("amount"):
            held = await self._holds.hold(name)
            micros = amount_of(request.amount, held.status.transfer)
        posting = await self._holds.commit(
            convert.entry_id_of(request.request_id, "request_id"),
            name,
            micros,
            convert.required_time(request),
        )
        return pb.CommitHoldResponse(**posting._asdict())

    async def VoidHold(self, request: pb.VoidHoldRequest, _context: Context) -> pb.VoidHoldResponse:
        """Voids a hold."""
        posting = await self._holds.void(
            convert.entry_id_of(request.request_id, "request_id"),
            transfer_name_of(request.name),
            convert.required_time(request),
        )
        return pb.VoidHoldResponse(**posting._asdict())

    async def GetHold(self, request: pb.GetHoldRequest, _context: Context) -> pb.GetHoldResponse:
        """Returns a hold."""
        return pb.GetHoldResponse(
            hold=hold_message(await self._holds.hold(transfer_name_of(request.name)))
        )

    async def ListHolds(
        self, request: pb.ListHoldsRequest, _context: Context
    ) -> pb.ListHoldsResponse:
        """Lists holds."""
        account = convert.name_of(request.code, request.currency_code)
        scope = ("ListHolds", *account, str(request.open_only))
        size = page_size(request.page_size)
        after = TransferName(0, 0)
        if request.page_token:
            ended = position_of(request.page_token, *scope)
            after = TransferName(ended.number(), ended.number(INTEGER_MAX))
        holds = await self._holds.of_account(
            account, open_only=request.open_only, after=after, limit=size + 1
        )
        response = pb.ListHoldsResponse(holds=map(hold_message, holds[:size]))
        if len(holds) > size:
            response.next_page_token = token_after(list(holds[size - 1].name), *scope)
        return response
