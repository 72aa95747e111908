"""Allocations over the wire, for tests."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from watersmeet.donations.v1 import allocation_service_pb2 as pb
from watersmeet.donations.v1 import catalog_service_pb2 as catalog_pb
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.type.v1 import money_pb2

from services.donations.domain import Gift
from services.runtime.errors import Reason
from tests.integration.donations.messages import (
    donation_request,
    request_id,
)
from tests.integration.donations.test_intake_service import fault_of
from tests.unit.donations.gifts import a_gift

AMOUNT = a_gift().amount_micros


async def give(weibo: Any, *gifts: Gift) -> None:
    for gift in gifts:
        await weibo.RecordDonation(donation_request(gift), timeout=5)


async def create(catalog: Any, code: str = "late", **changes: Any) -> None:
    fields = {"code": code, "name": "Late", "charity": "aid"} | changes
    project = catalog_pb.Project(**fields)
    request = catalog_pb.CreateProjectRequest(request_id=request_id(), project=project)
    await catalog.CreateProject(request, timeout=5)


def naming(*ids: str, project: str = "late", **changes: Any) -> pb.AllocateDonationsRequest:
    gifts = [pb.NamedGift(partner="weibo", external_id=external_id) for external_id in ids]
    fields = {"request_id": request_id(), "project": project, "gifts": pb.NamedGifts(gifts=gifts)}
    return pb.AllocateDonationsRequest(**(fields | changes))


def of_kind(**kind: Any) -> pb.AllocateDonationsRequest:
    return pb.AllocateDonationsRequest(
        request_id=request_id(),
        project="late",
        suspended=pb.SuspendedGifts(**({"partner": "weibo"} | kind)),
    )


def anew(project: str, **kind: Any) -> pb.AllocateDonationsRequest:
    """What went to a project, to another."""
    return pb.AllocateDonationsRequest(
        request_id=request_id(),
        project="late",
        allocated=pb.AllocatedGifts(**({"partner": "weibo", "project": project} | kind)),
    )


def again(request: pb.AllocateDonationsRequest) -> pb.AllocateDonationsRequest:
    request.again = True
    return request


async def steps(call: AsyncIterator[Any]) -> list[pb.AllocateDonationsResponse]:
    return [step async for step in call]


async def allocated(
    finance: Any, request: pb.AllocateDonationsRequest
) -> pb.AllocateDonationsResponse:
    """What the last message tells."""
    *_, last = await steps(finance.AllocateDonations(request, timeout=20))
    assert last.done
    return last


async def refusal(finance: Any, request: pb.AllocateDonationsRequest) -> Reason:
    return (await fault_of(steps(finance.AllocateDonations(request, timeout=5)))).reason


def counts(answer: pb.AllocateDonationsResponse) -> dict[str, int]:
    return {
        pb.AllocationOutcome.Name(one.outcome).removeprefix("ALLOCATION_OUTCOME_"): one.count
        for one in answer.counts
    }


def cny(micros: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code="CNY", micros=micros)


async def donation(weibo: Any, external_id: str = a_gift().external_id) -> intake_pb.Donation:
    request = intake_pb.GetDonationRequest(external_id=external_id)
    found: intake_pb.Donation = (await weibo.GetDonation(request, timeout=5)).donation
    return found


async def suspense(stub: Any, **fields: Any) -> Sequence[pb.Suspense]:
    answer = await stub.ListSuspense(pb.ListSuspenseRequest(**fields), timeout=5)
    return answer.suspense
