"""PeriodService: convert, call, convert."""

from datetime import date

from watersmeet.ledger.v1 import period_service_pb2 as pb
from watersmeet.ledger.v1 import period_service_pb2_grpc as pb_grpc

from services.ledger.journal.periods import Late, period_of
from services.ledger.posting.writer import Writer
from services.ledger.store.periods import PeriodStore
from services.ledger.wire.convert_periods import decision_of, late_message, period_message
from services.runtime.call import current_call
from services.runtime.paging import INTEGER_MAX, page_size, position_of, token_after
from services.runtime.served import Context


class PeriodService(pb_grpc.PeriodServiceServicer):
    """Serves watersmeet.ledger.v1.PeriodService."""

    def __init__(self, writer: Writer, store: PeriodStore) -> None:
        self._writer = writer
        self._store = store

    async def DecidePeriod(
        self, request: pb.DecidePeriodRequest, _context: Context
    ) -> pb.DecidePeriodResponse:
        """Decides on a period."""
        posting = await self._writer.decide(decision_of(request, str(current_call().caller)))
        return pb.DecidePeriodResponse(
            period=period_message(period_of(request.period), await self._store.periods()),
            sequence=posting.sequence,
            replayed=posting.replayed,
        )

    async def GetPeriod(
        self, request: pb.GetPeriodRequest, _context: Context
    ) -> pb.GetPeriodResponse:
        """Returns a period."""
        period = period_of(request.period)
        periods = await self._store.periods()
        return pb.GetPeriodResponse(
            period=period_message(period, periods), as_of_sequence=periods.sequence
        )

    async def ListPeriods(
        self, request: pb.ListPeriodsRequest, _context: Context
    ) -> pb.ListPeriodsResponse:
        """Lists periods."""
        size = page_size(request.page_size)
        after = ""
        if request.page_token:
            after = position_of(request.page_token, "ListPeriods").text()
        periods = await self._store.periods()
        names = sorted(name for name in periods.states if name > after)
        response = pb.ListPeriodsResponse(
            periods=[period_message(period_of(name), periods) for name in names[:size]]
        )
        if len(names) > size:
            response.next_page_token = token_after([names[size - 1]], "ListPeriods")
        return response

    async def ListLateArrivals(
        self, request: pb.ListLateArrivalsRequest, _context: Context
    ) -> pb.ListLateArrivalsResponse:
        """Lists late arrivals."""
        start, end, calendar = date.min, date.max, None
        if request.period:
            _, start, end, calendar = period_of(request.period)
        scope = ("ListLateArrivals", request.period)
        size = page_size(request.page_size)
        after = Late(0, 0, start)
        if request.page_token:
            ended = position_of(request.page_token, *scope)
            day = ended.day()
            after = Late(ended.number(), ended.number(INTEGER_MAX), day)
        found = await self._store.late_arrivals(start, end, calendar, after, size + 1)
        response = pb.ListLateArrivalsResponse(arrivals=map(late_message, found[:size]))
        if len(found) > size:
            last = found[size - 1].late
            response.next_page_token = token_after(
                [last.value_date.isoformat(), last.sequence, last.position], *scope
            )
        return response
