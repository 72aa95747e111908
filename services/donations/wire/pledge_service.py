"""PledgeService: convert, call, convert."""

from typing import Any

from watersmeet.donations.v1 import pledge_service_pb2 as pb
from watersmeet.donations.v1 import pledge_service_pb2_grpc as pb_grpc

from services.donations.desks.pledges import Pledging
from services.donations.gifts.tokens import DonorTokens
from services.donations.wire import convert_pledges as convert
from services.donations.wire.convert import money
from services.runtime.call import current_call, partner_of
from services.runtime.paging import INTEGER_MAX, page_size, position_of, token_after
from services.runtime.quotas.quotas import Quotas


class PledgeService(pb_grpc.PledgeServiceServicer):
    """The handlers. What each does and which errors it has stands in the proto."""

    def __init__(self, pledging: Pledging, tokens: DonorTokens, quotas: Quotas) -> None:
        self._pledging = pledging
        self._tokens = tokens
        self._quotas = quotas

    async def CreatePledges(
        self, request: pb.CreatePledgesRequest, _context: Any
    ) -> pb.CreatePledgesResponse:
        partner = partner_of(current_call(), "")
        drafts = [convert.draft_of(draft, partner, self._tokens) for draft in request.drafts]
        fates = await self._pledging.create(partner, drafts)
        return pb.CreatePledgesResponse(results=map(convert.fate_message, fates))

    async def EndPledge(self, request: pb.EndPledgeRequest, _context: Any) -> pb.EndPledgeResponse:
        partner = partner_of(current_call(), "")
        ended = await self._pledging.end(partner, request.code, convert.end_of(request))
        return pb.EndPledgeResponse(pledge=convert.pledge_message(ended))

    async def GetPledge(self, request: pb.GetPledgeRequest, _context: Any) -> pb.GetPledgeResponse:
        partner = partner_of(current_call(), request.partner)
        pledge = await self._pledging.pledge(partner, request.code, request.version)
        account = await self._pledging.account(pledge)
        return pb.GetPledgeResponse(
            pledge=convert.pledge_message(pledge), account=convert.account_message(account)
        )

    async def ListPledges(
        self, request: pb.ListPledgesRequest, _context: Any
    ) -> pb.ListPledgesResponse:
        partner = partner_of(current_call(), request.partner)
        scope = ("ListPledges", partner)
        size = page_size(request.page_size)
        after = "", 0
        if request.page_token:
            ended = position_of(request.page_token, *scope)
            after = ended.text(), ended.number(INTEGER_MAX)
        # One more than asked for says whether there is another page.
        found = await self._pledging.page(partner, after, size + 1)
        token = ""
        if len(found) > size:
            token = token_after([found[size - 1].code, found[size - 1].version], *scope)
        return pb.ListPledgesResponse(
            pledges=map(convert.pledge_message, found[:size]), next_page_token=token
        )

    async def RecordOrders(
        self, request: pb.RecordOrdersRequest, _context: Any
    ) -> pb.RecordOrdersResponse:
        partner = partner_of(current_call(), "")
        self._quotas.of(partner).take(gifts=len(request.orders))
        batch, committed = await self._pledging.record(partner, convert.incoming_orders(request))
        return convert.recorded_message(batch, committed)

    async def GetOrder(self, request: pb.GetOrderRequest, _context: Any) -> pb.GetOrderResponse:
        partner = partner_of(current_call(), request.partner)
        order, pledge = await self._pledging.order(partner, request.order_id)
        return convert.order_message(order, pledge)

    async def GiveRemainder(
        self, request: pb.GiveRemainderRequest, _context: Any
    ) -> pb.GiveRemainderResponse:
        partner = partner_of(current_call(), "")
        pledge, given, account = await self._pledging.give_remainder(
            partner, request.code, request.version
        )
        return pb.GiveRemainderResponse(
            given=money(pledge.currency, given), account=convert.account_message(account)
        )
