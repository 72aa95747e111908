"""StatementService: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from watersmeet.ledger.v1 import statement_service_pb2 as pb
from watersmeet.ledger.v1 import statement_service_pb2_grpc as pb_grpc

from services.ledger.domain import TransferName
from services.ledger.reading.history import History, end_of
from services.ledger.reading.reader import Reader, SumsByCurrency
from services.ledger.wire import convert, convert_statement
from services.runtime.paging import INTEGER_MAX, page_size, position_of, token_after
from services.runtime.served import Context

LINES_A_MESSAGE = 1_000


class StatementService(pb_grpc.StatementServiceServicer):
    """Serves watersmeet.ledger.v1.StatementService."""

    def __init__(self, reader: Reader, history: History) -> None:
        self._reader = reader
        self._history = history

    async def GetStatement(
        self, request: pb.GetStatementRequest, _context: Context
    ) -> pb.GetStatementResponse:
        """Returns a page of a statement."""
        name = convert.name_of(request.filter.code, request.filter.currency_code)
        start, end = convert.span_of(request.filter)
        scope = ("GetStatement", *name, str(start), str(end))
        size = page_size(request.page_size)
        if request.page_token:
            ended = position_of(request.page_token, *scope)
            after = TransferName(ended.number(), ended.number(INTEGER_MAX))
            through = ended.number()
        else:
            head = await self._reader.head_sequence()
            sequence, through = await self._history.span(start, end, head)
            after = end_of(sequence)
        statement = await self._history.statement(name, after, through, size)
        response = convert_statement.page_message(name.currency, statement)
        if statement.more:
            last = statement.lines[-1].name
            response.next_page_token = token_after([*last, through], *scope)
        return response

    async def StreamStatement(
        self, request: pb.StreamStatementRequest, _context: Context
    ) -> AsyncIterator[pb.StreamStatementResponse]:
        """Streams a statement."""
        name = convert.name_of(request.filter.code, request.filter.currency_code)
        start, end = convert.span_of(request.filter)
        head = await self._reader.head_sequence()
        after, through = await self._history.span(start, end, head)
        pages = self._history.whole_statement(name, after, through, LINES_A_MESSAGE)
        async with aclosing(pages):
            async for statement in pages:
                yield convert_statement.part_message(name.currency, statement)

    async def StreamTrialBalance(
        self, request: pb.StreamTrialBalanceRequest, _context: Context
    ) -> AsyncIterator[pb.StreamTrialBalanceResponse]:
        """Streams balances, and then their sums."""
        as_of = convert.as_of_of(request.as_of)
        through = await self._history.through(as_of, await self._reader.head_sequence())
        sums = SumsByCurrency()
        pages = self._history.balances(request.currency_code, through, as_of.value_date)
        async with aclosing(pages):
            async for balances in pages:
                sums.add(balances)
                yield pb.StreamTrialBalanceResponse(
                    balances=map(convert.balance_message, balances), as_of_sequence=through
                )
        yield pb.StreamTrialBalanceResponse(
            sums=map(convert.sums_message, sums.all()), as_of_sequence=through
        )
