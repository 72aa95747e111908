"""Per-order giving: pledges and orders, and the calls about them."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import grpc.aio

from watersmeet._batches import require_micros, require_zone
from watersmeet.donations.v1 import pledge_service_pb2 as pb
from watersmeet.donations.v1.pledge_service_pb2_grpc import PledgeServiceStub

if TYPE_CHECKING:
    RequestT = TypeVar("RequestT")
    ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True)
class Pledge:
    """What a merchant pledges of each order: give either rate_ppm or fixed_micros.

    rate_ppm: millionths of the paid price, 1,000 (0.1 %) to 1,000,000. fixed_micros: a sum, at most
    the price. projects: codes and their weights. unit_micros: gifts are whole multiples of it; what
    is cut off is carried. start_time, end_time: with a time zone. merchant_reference: the
    platform's own reference to the merchant; never a name, phone or address.
    """

    code: str
    merchant_reference: str = field(repr=False)
    projects: Mapping[str, int]
    currency: str
    start_time: datetime
    rate_ppm: int | None = None
    fixed_micros: int | None = None
    campaign: str = ""
    end_time: datetime | None = None
    unit_micros: int = 1

    def __post_init__(self) -> None:
        if (self.rate_ppm is None) is (self.fixed_micros is None):
            raise ValueError("a pledge has either rate_ppm or fixed_micros")
        require_zone(self.start_time)
        if self.end_time is not None:
            require_zone(self.end_time)


@dataclass(frozen=True, slots=True)
class Order:
    """An order whose receipt the buyer confirmed.

    pledge: the code of the merchant's pledge. paid_micros: whole and positive; see to_micros.
    event_time: when the receipt was confirmed, with a time zone. shopper_reference: the platform's
    own reference to the shopper; never a name, phone or address.
    """

    order_id: str
    pledge: str
    paid_micros: int
    currency: str
    event_time: datetime
    shopper_reference: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        require_micros(self.paid_micros)
        require_zone(self.event_time)


def pledges_request(
    pledges: Sequence[Pledge], request_id: str | None = None
) -> pb.CreatePledgesRequest:
    """Pledges as they travel. request_id: one is made if it is None."""
    request = pb.CreatePledgesRequest(request_id=request_id or str(uuid.uuid4()))
    for pledge in pledges:
        draft = request.drafts.add(merchant_reference=pledge.merchant_reference)
        message = draft.pledge
        message.code = pledge.code
        if pledge.rate_ppm is not None:
            message.rate_ppm = pledge.rate_ppm
        if pledge.fixed_micros is not None:
            message.fixed_micros = pledge.fixed_micros
        message.currency_code = pledge.currency
        for project, weight in pledge.projects.items():
            message.shares.add(project=project, weight=weight)
        message.campaign = pledge.campaign
        message.start_time.FromDatetime(pledge.start_time)
        if pledge.end_time is not None:
            message.end_time.FromDatetime(pledge.end_time)
        message.unit_micros = pledge.unit_micros
        message.rounding = pb.PLEDGE_ROUNDING_LARGEST_REMAINDER
    return request


def orders_request(
    orders: Sequence[Order], request_id: str | None = None
) -> pb.RecordOrdersRequest:
    """Orders as they travel. request_id: one is made if it is None."""
    request = pb.RecordOrdersRequest(request_id=request_id or str(uuid.uuid4()))
    for order in orders:
        message = request.orders.add(
            order_id=order.order_id,
            pledge=order.pledge,
            shopper_reference=order.shopper_reference,
        )
        message.paid.currency_code = order.currency
        message.paid.micros = order.paid_micros
        message.event_time.FromDatetime(order.event_time)
    return request


class PledgeCalls(ABC):
    """The part of the client that is about pledges and orders."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._pledges = PledgeServiceStub(channel)

    async def create_pledges(
        self, pledges: Sequence[Pledge], *, request_id: str | None = None
    ) -> list[pb.PledgeResult]:
        """Creates 1 to 1,000 pledges, or versions of them; answers for each, in their order.

        The same pledge again is a replay. A pledge that cannot be created has its problem in its
        result. Raises WatersmeetError.
        """
        request = pledges_request(pledges, request_id)
        return list((await self._call(self._pledges.CreatePledges, request)).results)

    async def end_pledge(
        self, code: str, end_time: datetime, *, request_id: str | None = None
    ) -> pb.Pledge:
        """Ends a pledge's newest version, a quarter of an hour from now at the earliest.

        end_time: with a time zone. Raises WatersmeetError, among others PLEDGE_CONFLICT.
        """
        require_zone(end_time)
        request = pb.EndPledgeRequest(request_id=request_id or str(uuid.uuid4()), code=code)
        request.end_time.FromDatetime(end_time)
        return (await self._call(self._pledges.EndPledge, request)).pledge

    async def get_pledge(self, code: str, version: int = 0) -> pb.GetPledgeResponse:
        """A version of a pledge, 0 for the newest, with the exact account of its orders.

        Raises WatersmeetError, among others PLEDGE_NOT_FOUND.
        """
        request = pb.GetPledgeRequest(code=code, version=version)
        return await self._call(self._pledges.GetPledge, request)

    async def record_orders(
        self, orders: Sequence[Order], *, request_id: str | None = None
    ) -> pb.RecordOrdersResponse:
        """Records 1 to 1,000 orders and what they give; durable at the answer.

        The same order again is a replay. The answer counts, and names each order that is suspended,
        conflicting or refused. Raises WatersmeetError.
        """
        return await self._call(self._pledges.RecordOrders, orders_request(orders, request_id))

    async def get_order(self, order_id: str) -> pb.GetOrderResponse:
        """An order with its gifts. Raises WatersmeetError, among others ORDER_NOT_FOUND."""
        return await self._call(self._pledges.GetOrder, pb.GetOrderRequest(order_id=order_id))

    async def give_remainder(
        self, code: str, version: int = 0, *, request_id: str | None = None
    ) -> pb.GiveRemainderResponse:
        """Gives the whole units of what was cut off from a pledge's orders; safe to repeat.

        Raises WatersmeetError, among others PLEDGE_NOT_FOUND.
        """
        request = pb.GiveRemainderRequest(
            request_id=request_id or str(uuid.uuid4()), code=code, version=version
        )
        return await self._call(self._pledges.GiveRemainder, request)

    @abstractmethod
    async def _call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: "RequestT",
    ) -> "ResponseT":
        """Makes a call, as often as it may pass."""
