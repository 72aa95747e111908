"""AllocationService: convert, call, convert."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from watersmeet.donations.v1 import allocation_service_pb2 as pb
from watersmeet.donations.v1 import allocation_service_pb2_grpc as pb_grpc

from services.donations.allocation.allocation import require_allocation
from services.donations.catalog.memory import Catalog
from services.donations.desks.allocations import AllocationDesk
from services.donations.domain import SuspenseReason
from services.donations.store.suspense import StandingPlace, SuspenseReader
from services.donations.wire import convert_allocation as convert
from services.runtime.call import current_call, partner_of
from services.runtime.identity import Role
from services.runtime.paging import SMALLINT_MAX, page_size, position_of, token_after


class AllocationService(pb_grpc.AllocationServiceServicer):
    """The handlers. What each does and which errors it has stands in the proto."""

    def __init__(self, desk: AllocationDesk, reader: SuspenseReader, catalog: Catalog) -> None:
        self._desk = desk
        self._reader = reader
        self._catalog = catalog

    async def ListSuspense(
        self, request: pb.ListSuspenseRequest, _context: Any
    ) -> pb.ListSuspenseResponse:
        call = current_call()
        partner = ""
        if request.partner or call.caller.role is Role.PARTNER:
            partner = partner_of(call, request.partner)
        scope = ("ListSuspense", partner)
        size = page_size(request.page_size)
        after = _place(request.page_token, scope) if request.page_token else StandingPlace()
        partner_id = None
        if partner:
            partner_id = await self._catalog.known_partner_id(partner)
            if partner_id is None:
                return pb.ListSuspenseResponse()
        # One more than asked for says whether there is another page.
        found = await self._reader.standing(partner_id, after, size + 1)
        token = ""
        if len(found) > size:
            last = found[size - 1]
            place = StandingPlace(last.partner_id, last.project, last.reason, last.currency)
            token = token_after(place, *scope)
        return pb.ListSuspenseResponse(
            suspense=convert.suspense_messages(found[:size]), next_page_token=token
        )

    async def AllocateDonations(
        self, request: pb.AllocateDonationsRequest, _context: Any
    ) -> AsyncIterator[pb.AllocateDonationsResponse]:
        call = current_call()
        allocation = require_allocation(convert.allocation_of(request))
        if request.validate_only:
            steps = self._desk.preview(allocation)
        else:
            steps = self._desk.allocate(UUID(call.request_id), allocation, str(call.caller))
        async for progress in steps:
            yield convert.progress_message(progress)


def _place(token: str, scope: tuple[str, ...]) -> StandingPlace:
    ended = position_of(token, *scope)
    return StandingPlace(
        ended.number(SMALLINT_MAX), ended.text(), ended.number(max(SuspenseReason)), ended.text()
    )
