"""TotalsService: convert, ask the totals, convert."""

from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc
from watersmeet.gateway.v1 import totals_service_pb2 as pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as pb_grpc

from services.gateway.access import require_own_partner
from services.gateway.live import LiveTotals
from services.gateway.metrics import WATCHERS
from services.gateway.query import Query
from services.gateway.watching import Update, cursor_of, watch
from services.gateway.wire.convert import query_of, totals_response, watch_response
from services.runtime.call import current_call
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["TotalsService"].full_name

# Messages to watchers that are kept for the next watcher, and the rows of one of them.
_SHARED_MAX = 64
_SHARED_ROWS_MAX = 1_000

_Key = tuple[Query, str, int | None]
_Context = grpc.aio.ServicerContext[Any, Any]


class TotalsService(pb_grpc.TotalsServiceServicer):
    """The totals over gRPC."""

    def __init__(self, live: LiveTotals, *, watchers_max: int, watchers_each_max: int) -> None:
        """watchers_max: watches at once; watchers_each_max: of one caller."""
        self._live = live
        self._watchers_max = watchers_max
        self._watchers_each_max = watchers_each_max
        self._watchers = Counter[Caller]()
        self._shared: OrderedDict[_Key, pb.WatchTotalsResponse] = OrderedDict()

    async def GetTotals(
        self, request: pb.GetTotalsRequest, _context: _Context
    ) -> pb.GetTotalsResponse:
        """Totals now."""
        query = query_of(request.filter, request.group_by)
        require_own_partner(current_call().caller, query)
        totals = self._live.require()
        return totals_response(totals.view(query).rows(), totals.as_of, query.group_by)

    async def WatchTotals(
        self, request: pb.WatchTotalsRequest, _context: _Context
    ) -> AsyncIterator[pb.WatchTotalsResponse]:
        """Totals as they change."""
        query = query_of(request.filter, request.group_by)
        require_own_partner(current_call().caller, query)
        resume = cursor_of(request.resume_cursor) if request.resume_cursor else None
        with self._admitted(current_call().caller):
            async with aclosing(watch(self._live, query, resume)) as updates:
                async for update in updates:
                    yield self._message(query, update)

    def _message(self, query: Query, update: Update) -> pb.WatchTotalsResponse:
        """Watchers of one query that know the same are told the same: it is put into words once."""
        if len(update.rows) > _SHARED_ROWS_MAX:
            return watch_response(update, query.group_by)
        key = (query, update.cursor, update.since)
        message = self._shared.get(key)
        if message is None:
            message = self._shared[key] = watch_response(update, query.group_by)
            if len(self._shared) > _SHARED_MAX:
                self._shared.popitem(last=False)
        return message

    @contextmanager
    def _admitted(self, caller: Caller) -> Iterator[None]:
        own, all_ = self._watchers[caller], self._watchers.total()
        if own >= self._watchers_each_max or all_ >= self._watchers_max:
            raise Fault(
                Reason.QUEUE_FULL,
                f"{all_} watches are open, {own} of them yours; wait, or ask GetTotals meanwhile",
                retry_after=5.0,
            )
        self._watchers[caller] += 1
        WATCHERS.set(self._watchers.total())
        try:
            yield
        finally:
            self._watchers[caller] -= 1
            WATCHERS.set(self._watchers.total())
