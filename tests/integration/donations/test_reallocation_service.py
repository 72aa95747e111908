"""Allocations that are put right, over mutual TLS."""

from collections import Counter
from typing import Any

import pytest
from watersmeet.donations.v1 import allocation_service_pb2 as pb
from watersmeet.donations.v1 import batch_service_pb2 as batch_pb
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1.allocation_service_pb2_grpc import AllocationServiceStub
from watersmeet.donations.v1.catalog_service_pb2_grpc import CatalogServiceStub
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub

from tests.integration.donations.allocation_messages import (
    AMOUNT,
    allocated,
    cny,
    counts,
    create,
    donation,
    give,
    naming,
    of_kind,
    suspense,
)
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.messages import (
    refund_request,
    request_id,
)
from tests.unit.donations.gifts import a_gift, a_refund


@pytest.fixture
def weibo(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("partner", "weibo"))


@pytest.fixture
def finance(connect: Connect) -> Any:
    return AllocationServiceStub(connect("finance", "anna"))


@pytest.fixture
def catalog(connect: Connect) -> Any:
    return CatalogServiceStub(connect("finance", "anna"))


async def test_an_allocation_to_the_wrong_project_is_put_right(
    connect: Connect, weibo: Any, finance: Any, catalog: Any, ledger: LedgerProcess
) -> None:
    await create(catalog)
    await create(catalog, "right")
    await give(weibo, a_gift(project="lata"))
    wrong = of_kind(project="lata")
    await allocated(finance, wrong)
    await weibo.RecordRefund(refund_request(a_refund(amount_micros=230_000)), timeout=5)
    request = pb.AllocateDonationsRequest(
        request_id=request_id(),
        project="right",
        allocated=pb.AllocatedGifts(partner="weibo", project="late", request_id=wrong.request_id),
        validate_only=True,
    )
    shown = await allocated(finance, request)
    assert (await donation(weibo)).allocation.project == "late"
    request.validate_only = False
    answer = await allocated(finance, request)
    assert answer == shown
    assert (counts(answer), list(answer.allocated)) == ({"ALLOCATED": 1}, [cny(AMOUNT - 230_000)])
    assert await allocated(finance, request) == answer
    asked = intake_pb.GetDonationRequest(partner="weibo", external_id=a_gift().external_id)
    found = await DonationIntakeServiceStub(connect("finance", "anna")).GetDonation(
        asked, timeout=5
    )
    told = [(one.project, one.caller, one.request_id) for one in found.donation.allocations]
    assert told == [
        ("late", "finance/anna", wrong.request_id),
        ("right", "finance/anna", request.request_id),
    ]
    own = await donation(weibo)
    assert [(one.project, one.caller) for one in own.allocations] == [("late", ""), ("right", "")]
    assert own.allocation == own.allocations[-1]
    kinds = [batch_pb.BatchLineKind.Name(event.kind) for event in own.events]
    assert [kind.removeprefix("BATCH_LINE_KIND_") for kind in kinds] == [
        *("RELEASE", "ALLOCATION", "REFUND"),
        *("REFUND_BACK", "ALLOCATION_BACK", "ALLOCATION", "REFUND"),
    ]

    def held() -> dict[str, int]:
        sums: Counter[str] = Counter()
        for (debit, credit), micros in ledger.ledger.micros().items():
            sums[debit] += micros
            sums[credit] -= micros
        return {account: micros for account, micros in sums.items() if micros}

    left = AMOUNT - 230_000
    await eventually(lambda: held() == {"partner/weibo/claimed": left, "project/right/fund": -left})
    back = naming(a_gift().external_id, project="", to_suspense=True)
    assert counts(await allocated(finance, back)) == {"ALLOCATED": 1}
    [standing] = await suspense(finance)
    assert (standing.project, standing.count, standing.amount) == ("lata", 1, cny(left))
    own = await donation(weibo)
    assert (own.suspended, own.HasField("allocation")) == (True, False)
    assert [one.project for one in own.allocations] == ["late", "right", ""]
    # As ever it goes out again.
    assert counts(await allocated(finance, of_kind(project="lata"))) == {"ALLOCATED": 1}
