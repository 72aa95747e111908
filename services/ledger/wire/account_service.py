"""AccountService: convert, call, convert."""

from watersmeet.ledger.v1 import account_service_pb2 as pb
from watersmeet.ledger.v1 import account_service_pb2_grpc as pb_grpc

from services.ledger.posting.writer import Writer
from services.ledger.reading.reader import Reader
from services.ledger.wire import convert
from services.ledger.wire.convert_accounts import decision_of
from services.runtime.call import current_call
from services.runtime.served import Context


class AccountService(pb_grpc.AccountServiceServicer):
    """Serves watersmeet.ledger.v1.AccountService."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def ChangeAccount(
        self, request: pb.ChangeAccountRequest, _context: Context
    ) -> pb.ChangeAccountResponse:
        """Decides on an account."""
        posting = await self._writer.decide(decision_of(request, str(current_call().caller)))
        account = await self._reader.account(convert.name_of(request.code, request.currency_code))
        return pb.ChangeAccountResponse(
            account=convert.account_message(account),
            sequence=posting.sequence,
            replayed=posting.replayed,
        )
