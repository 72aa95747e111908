"""Out of suspense, over mutual TLS."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from watersmeet.donations.v1 import allocation_service_pb2 as pb
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1.allocation_service_pb2_grpc import AllocationServiceStub
from watersmeet.donations.v1.catalog_service_pb2_grpc import CatalogServiceStub
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.type.v1 import purpose_pb2

from services.donations.desks import allocations as allocation_desk
from services.runtime.errors import Reason
from tests.integration.donations.allocation_messages import (
    AMOUNT,
    again,
    allocated,
    anew,
    cny,
    counts,
    create,
    donation,
    give,
    naming,
    of_kind,
    refusal,
    steps,
    suspense,
)
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.messages import (
    batch,
    donation_request,
    opening,
    refund_request,
)
from tests.integration.donations.test_intake_service import fault_of
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund

HOUR = 3_600_000_000
ALLOCATED = pb.ALLOCATION_OUTCOME_ALLOCATED


@pytest.fixture
def weibo(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("partner", "weibo"))


@pytest.fixture
def finance(connect: Connect) -> Any:
    return AllocationServiceStub(connect("finance", "anna"))


@pytest.fixture
def catalog(connect: Connect) -> Any:
    return CatalogServiceStub(connect("finance", "anna"))


async def test_a_project_that_is_registered_after_its_first_gifts(
    connect: Connect, weibo: Any, finance: Any, catalog: Any, ledger: LedgerProcess
) -> None:
    await give(weibo, a_gift(project="late", campaign="week"))
    await weibo.RecordRefund(refund_request(a_refund(amount_micros=230_000)), timeout=5)
    kind = {"partner": "weibo", "project": "late"}
    [standing] = await suspense(finance)
    assert standing == pb.Suspense(
        **kind,
        reason=pb.SUSPENSE_REASON_PROJECT_UNKNOWN,
        count=1,
        amount=cny(AMOUNT - 230_000),
    )
    await create(catalog)
    request = of_kind(project="late")
    answer = await allocated(finance, request)
    assert counts(answer) == {"ALLOCATED": 1}
    assert list(answer.allocated) == [cny(AMOUNT - 230_000)]
    assert await suspense(finance) == []
    found = await donation(weibo)
    assert (found.suspended, found.state) == (False, intake_pb.DONATION_STATE_CLAIMED)
    assert (found.project, found.refunded) == ("late", cny(230_000))
    decided = found.allocation
    assert (decided.project, decided.campaign) == ("late", "week")
    assert (decided.caller, decided.request_id) == ("", ""), "that is finance's own"
    asked = intake_pb.GetDonationRequest(partner="weibo", external_id=found.external_id)
    own = DonationIntakeServiceStub(connect("finance", "anna"))
    decided = (await own.GetDonation(asked, timeout=5)).donation.allocation
    assert (decided.caller, decided.request_id) == ("finance/anna", request.request_id)
    assert decided.allocate_time.ToMicroseconds() == NOW_MICROS
    # What comes later is the project's, but for what exceeds the gift.
    await weibo.RecordRefund(refund_request(a_refund("r2", amount_micros=AMOUNT)), timeout=5)
    moved = {
        ("partner/weibo/claimed", "partner/weibo/suspense"): AMOUNT,
        ("partner/weibo/suspense", "partner/weibo/claimed"): 2 * 230_000,
        ("partner/weibo/elsewhere", "partner/weibo/suspense"): 230_000,
        ("partner/weibo/claimed", "partner/weibo/elsewhere"): 230_000,
        ("partner/weibo/suspense", "partner/weibo/allocated"): AMOUNT,
        ("partner/weibo/allocated", "project/late/fund"): AMOUNT,
        ("project/late/fund", "partner/weibo/claimed"): AMOUNT,
    }
    await eventually(lambda: ledger.ledger.micros() == moved)
    [decision] = [
        entry
        for entry in ledger.ledger.entries.values()
        if any(transfer.credit_account.endswith("/allocated") for transfer in entry.transfers)
    ]
    assert decision.value_time.ToMicroseconds() == NOW_MICROS
    assert (await donation(weibo)).state == intake_pb.DONATION_STATE_REFUNDED


async def test_the_same_request_is_done_once(weibo: Any, finance: Any, catalog: Any) -> None:
    await create(catalog)
    await give(weibo, a_gift("1", project="lata"), a_gift("2", project="lata"))
    first, kind = naming("1", "none"), of_kind(project="lata")
    answers = [await allocated(finance, one) for one in (first, kind)]
    assert [counts(one) for one in answers] == [{"ALLOCATED": 1, "NOT_FOUND": 1}, {"ALLOCATED": 1}]
    assert list(answers[0].outcomes) == [ALLOCATED, pb.ALLOCATION_OUTCOME_NOT_FOUND]
    await give(weibo, a_gift("3", project="lata"), a_gift("none", project="lata"))
    assert [await allocated(finance, one) for one in (first, kind)] == answers
    assert (await suspense(finance))[0].count == 2
    again = await allocated(finance, naming("1", "none"))
    assert counts(again) == {"ALLOCATED_BEFORE": 1, "ALLOCATED": 1}


@pytest.mark.parametrize(
    "other",
    [
        naming("1", project="water"),
        naming("2"),
        naming("1", without_campaign=True),
        of_kind(project="lata"),
        again(naming("1")),
        naming("1", project="", to_suspense=True),
    ],
)
async def test_a_request_id_has_one_content(
    weibo: Any, finance: Any, catalog: Any, other: pb.AllocateDonationsRequest
) -> None:
    await create(catalog)
    await give(weibo, a_gift("1", project="lata"), a_gift("2", project="lata"))
    request = naming("1")
    await allocated(finance, request)
    other.request_id = request.request_id
    assert await refusal(finance, other) is Reason.ALLOCATION_CONFLICT
    assert (await donation(weibo, "2")).suspended


async def test_many_gifts_go_in_steps_and_are_gone_on_with(
    weibo: Any, finance: Any, catalog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allocation_desk, "STEP_GIFTS", 10)
    await create(catalog)
    gifts = [a_gift(f"{n:03}", project="lata") for n in range(40)]
    others = [a_gift(f"x{n:03}", project="other") for n in range(15)]
    messages = [opening(), batch(0, gifts), batch(40, others)]
    async for _ in weibo.StreamDonations(iter_of(messages), timeout=20):
        pass
    request = of_kind(project="lata", reason=pb.SUSPENSE_REASON_PROJECT_UNKNOWN)
    call = finance.AllocateDonations(request, timeout=20)
    first = await anext(aiter(call))
    call.cancel()
    assert counts(first)["ALLOCATED"] <= 10
    assert not first.done
    told = await steps(finance.AllocateDonations(request, timeout=20))
    assert len(told) > 2
    assert [counts(step).get("ALLOCATED", 0) for step in told] == sorted(
        counts(step).get("ALLOCATED", 0) for step in told
    )
    assert counts(told[-1]) == {"ALLOCATED": 40}
    assert list(told[-1].allocated) == [cny(40 * AMOUNT)]
    assert [one.project for one in await suspense(finance)] == ["other"]
    [whole] = await steps(finance.AllocateDonations(request, timeout=20))
    assert whole == told[-1]


async def iter_of(messages: Sequence[Any]) -> AsyncIterator[Any]:
    for message in messages:
        yield message


@pytest.mark.parametrize(
    ("gift", "project", "outcome"),
    [
        ({"project": "lata"}, "late", "ALLOCATED"),
        ({"project": "lata"}, "closed", "PROJECT_CLOSED"),
        ({"project": "lata", "event_time_micros": NOW_MICROS - 3 * HOUR}, "closed", "ALLOCATED"),
        ({"project": "lata"}, "surgery", "APPEAL_NOT_NAMED"),
        ({"campaign": "unknown"}, "water", "CAMPAIGN_UNKNOWN"),
        ({"campaign": "past"}, "water", "CAMPAIGN_NOT_OPEN"),
        ({}, "late", "NOT_SUSPENDED"),
    ],
)
async def test_what_the_project_demands(
    weibo: Any, finance: Any, catalog: Any, gift: dict[str, Any], project: str, outcome: str
) -> None:
    """And a request that only asks tells the same, and changes nothing."""
    await create(catalog)
    await give(weibo, a_gift(**gift))
    request = naming(a_gift().external_id, project=project, validate_only=True)
    assert counts(await allocated(finance, request)) == {outcome: 1}
    assert not (await donation(weibo)).HasField("allocation")
    request.validate_only = False
    assert counts(await allocated(finance, request)) == {outcome: 1}
    assert (await donation(weibo)).HasField("allocation") == (outcome == "ALLOCATED")


async def test_an_appeal_gets_what_named_it(weibo: Any, finance: Any, catalog: Any) -> None:
    await give(weibo, a_gift(project="leg"))
    appeal = {"purpose": purpose_pb2.PURPOSE_APPEAL, "organiser": "weibo", "charity": ""}
    await create(catalog, "leg", **appeal)
    answer = await allocated(finance, naming(a_gift().external_id, project="leg"))
    assert counts(answer) == {"ALLOCATED": 1}


@pytest.mark.parametrize("campaign", ["unknown", "past"])
async def test_gifts_that_no_campaign_can_have_count_for_none(
    weibo: Any, finance: Any, ledger: LedgerProcess, campaign: str
) -> None:
    await give(weibo, a_gift(campaign=campaign))
    request = naming(a_gift().external_id, project="water", without_campaign=True)
    assert counts(await allocated(finance, request)) == {"ALLOCATED": 1}
    found = await donation(weibo)
    assert (found.campaign, found.allocation.campaign) == (campaign, "")

    def transfers() -> dict[str, str]:
        return {
            transfer.debit_account: transfer.campaign
            for entry in ledger.ledger.entries.values()
            for transfer in entry.transfers
        }

    await eventually(lambda: len(transfers()) == 3)
    assert transfers() == {
        "partner/weibo/claimed": campaign,
        "partner/weibo/suspense": campaign,
        "partner/weibo/allocated": "",
    }


async def test_what_is_refunded_has_nothing_to_allocate(
    weibo: Any, finance: Any, catalog: Any
) -> None:
    await create(catalog)
    await give(weibo, a_gift(project="lata"))
    await weibo.RecordRefund(refund_request(a_refund(amount_micros=AMOUNT)), timeout=5)
    answer = await allocated(finance, of_kind(project="lata"))
    assert counts(answer) == {"REFUNDED": 1}
    assert await suspense(finance) == []


async def test_what_another_report_counts_is_left(
    connect: Connect, weibo: Any, finance: Any, catalog: Any
) -> None:
    await create(catalog)
    tencent = DonationIntakeServiceStub(connect("partner", "tencent"))
    await give(tencent, a_gift("4200", partner="tencent", project="lata"))
    named = donation_request(a_gift(project="lata"), rail="tencent", rail_id="4200")
    await weibo.RecordDonation(named, timeout=5)
    request = naming(a_gift().external_id)
    request.gifts.gifts.add(partner="tencent", external_id="4200")
    [origin, rail] = (await allocated(finance, request)).outcomes
    assert (origin, rail) == (ALLOCATED, pb.ALLOCATION_OUTCOME_COUNTED_ELSEWHERE)
    # Either report tells where the gift is.
    request_of_rail = intake_pb.GetDonationRequest(external_id="4200")
    found = (await tencent.GetDonation(request_of_rail, timeout=5)).donation
    assert (found.suspended, found.allocation.project) == (False, "late")


async def test_suspense_is_listed_by_kind_page_by_page(
    connect: Connect, weibo: Any, finance: Any
) -> None:
    xiaomi = DonationIntakeServiceStub(connect("partner", "xiaomi"))
    await give(weibo, a_gift("1", project="b"), a_gift("2", project="a"), a_gift("3", project="a"))
    await give(weibo, a_gift("4", project="a", currency="USD"), a_gift("5", campaign="past"))
    await give(xiaomi, a_gift("1", partner="xiaomi", project="a"))
    listed = []
    request = pb.ListSuspenseRequest(page_size=2)
    while True:
        page = await finance.ListSuspense(request, timeout=5)
        listed += page.suspense
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert [
        (one.partner, one.project, one.reason, one.amount.currency_code, one.count)
        for one in listed
    ] == [
        ("weibo", "a", pb.SUSPENSE_REASON_PROJECT_UNKNOWN, "CNY", 2),
        ("weibo", "a", pb.SUSPENSE_REASON_PROJECT_UNKNOWN, "USD", 1),
        ("weibo", "b", pb.SUSPENSE_REASON_PROJECT_UNKNOWN, "CNY", 1),
        ("weibo", "water", pb.SUSPENSE_REASON_CAMPAIGN_NOT_OPEN, "CNY", 1),
        ("xiaomi", "a", pb.SUSPENSE_REASON_PROJECT_UNKNOWN, "CNY", 1),
    ]
    assert await suspense(finance, partner="xiaomi") == listed[-1:]
    assert await suspense(finance, partner="nobody") == []
    own = AllocationServiceStub(connect("partner", "xiaomi"))
    assert await suspense(own) == listed[-1:]
    call = own.ListSuspense(pb.ListSuspenseRequest(partner="weibo"), timeout=5)
    assert (await fault_of(call)).reason is Reason.PARTNER_MISMATCH


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (naming("1", project="never-heard-of"), Reason.PROJECT_NOT_FOUND),
        (naming("1", project=""), Reason.FIELD_REQUIRED),
        (naming("1", project="water", request_id="1"), Reason.REQUEST_ID_INVALID),
        (naming(project="water"), Reason.BATCH_SIZE_INVALID),
        (naming(*map(str, range(1001)), project="water"), Reason.BATCH_SIZE_INVALID),
        (naming("1", "1", project="water"), Reason.FIELD_INVALID),
        (naming("a b", project="water"), Reason.FIELD_INVALID),
        (naming("1", project="water", gifts=None), Reason.FIELD_REQUIRED),
        (of_kind(), Reason.FIELD_REQUIRED),
        (of_kind(partner="", project="x"), Reason.FIELD_REQUIRED),
        (again(of_kind(project="x")), Reason.FIELD_INVALID),
        (of_kind(partner="nobody", project="x"), Reason.FIELD_INVALID),
        (of_kind(reason=99), Reason.FIELD_INVALID),
        (naming("1", to_suspense=True), Reason.FIELD_INVALID),
        (naming("1", project="", again=True), Reason.FIELD_REQUIRED),
        (anew("late"), Reason.FIELD_INVALID),
        (anew("never-heard-of"), Reason.PROJECT_NOT_FOUND),
        (anew(""), Reason.FIELD_REQUIRED),
        (anew("water", partner="nobody"), Reason.FIELD_INVALID),
        (anew("water", request_id="1"), Reason.FIELD_INVALID),
    ],
)
async def test_what_is_no_allocation(
    catalog: Any, finance: Any, request_: pb.AllocateDonationsRequest, reason: Reason
) -> None:
    await create(catalog)
    assert await refusal(finance, request_) is reason


async def test_no_gift_was_reported_with_a_project_that_is_no_code(
    weibo: Any, finance: Any, catalog: Any
) -> None:
    await give(weibo, a_gift(project="late"))
    await create(catalog)
    assert await refusal(finance, of_kind(project="no code\0")) is Reason.FIELD_INVALID


@pytest.mark.parametrize(("role", "name"), [("operator", "local"), ("partner", "weibo")])
async def test_finance_alone_allocates(connect: Connect, role: str, name: str) -> None:
    stub = AllocationServiceStub(connect(role, name))
    assert await refusal(stub, naming("1", project="water")) is Reason.PERMISSION_DENIED
