"""Marked personal data in everything that pledges and orders have a place for."""

from collections.abc import Awaitable, Callable
from typing import Any

from watersmeet.donations.v1 import pledge_service_pb2 as pb
from watersmeet.donations.v1.pledge_service_pb2_grpc import PledgeServiceStub

from tests.e2e.canaries import PERSONAL
from tests.integration.donations.messages import request_id, stamp
from tests.integration.donations.pledge_messages import create, draft, order, record
from tests.unit.donations.pledges.pledging import a_pledge


async def report_orders(
    channel: Any, call: Callable[[Awaitable[Any]], Awaitable[Any]], now_micros: int
) -> list[str]:
    """Pledges and orders, with people in their place and out of it; returns what is answered.

    call: makes a call, and keeps what is said of a refused one.
    """
    stub: Any = PledgeServiceStub(channel)
    time = stamp(now_micros)
    said = []

    async def create_all(*drafts: pb.PledgeDraft) -> None:
        answer = await call(stub.CreatePledges(create(*drafts), timeout=10))
        said.append(str(answer))

    async def record_all(*orders: pb.Order) -> None:
        answer = await call(stub.RecordOrders(record(*orders), timeout=10))
        said.append(str(answer))

    pledge = a_pledge("canary-pledge", start_micros=now_micros - 1_000_000)
    for merchant in (*PERSONAL[:1], *PERSONAL):  # once, a repeat, conflicts
        await create_all(draft(pledge, merchant))
    for number, canary in enumerate(PERSONAL):
        await create_all(
            draft(a_pledge(f"long-{number}"), canary * 60),
            draft(a_pledge(f"money-{number}"), currency_code=canary),
        )
        is_code = canary.isdecimal()
        if not is_code:
            await create_all(
                draft(a_pledge("code"), code=canary),
                draft(a_pledge("campaign"), campaign=canary),
                draft(a_pledge("project"), shares=[pb.PledgeShare(project=canary, weight=1)]),
            )
        good = order(f"order-{number}", "canary-pledge", event_time=time, shopper_reference=canary)
        other = order(
            f"order-{number}", "canary-pledge", event_time=time, shopper_reference=canary * 2
        )
        await record_all(good, good, other)
        bad = order("bad", "canary-pledge", event_time=time, shopper_reference=canary * 60)
        foreign = order("bad", "canary-pledge", event_time=time)
        foreign.paid.currency_code = canary
        await record_all(bad, foreign, order("bad", canary, event_time=time))
        if not is_code and (" " in canary or not canary.isascii()):
            await record_all(order(canary, "canary-pledge", event_time=time))
        for wanted in (
            stub.GetPledge(pb.GetPledgeRequest(code=canary), timeout=10),
            stub.GetOrder(pb.GetOrderRequest(order_id=canary), timeout=10),
            stub.ListPledges(pb.ListPledgesRequest(page_token=canary), timeout=10),
            stub.GiveRemainder(
                pb.GiveRemainderRequest(request_id=request_id(), code=canary), timeout=10
            ),
        ):
            assert await call(wanted) is None
    return said
