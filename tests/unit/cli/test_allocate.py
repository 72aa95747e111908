"""`watersmeet review suspense` and `watersmeet allocate`."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from watersmeet.donations.v1 import allocation_service_pb2 as pb
from watersmeet.donations.v1 import allocation_service_pb2_grpc as pb_grpc
from watersmeet.type.v1.money_pb2 import Money

from tests.unit.cli.conftest import ServeMesh, caller_of, run

ALLOCATED, REFUNDED = pb.ALLOCATION_OUTCOME_ALLOCATED, pb.ALLOCATION_OUTCOME_REFUNDED
KIND = ("--partner", "weibo", "--named", "lata")


class FakeAllocation(pb_grpc.AllocationServiceServicer):
    """Allocates all gifts but those of `refunded`, in two steps; of a kind 1,500."""

    def __init__(self) -> None:
        self.asked: list[pb.AllocateDonationsRequest] = []
        self.listed: list[pb.ListSuspenseRequest] = []
        self.callers: set[str] = set()
        self.refunded = 0

    def ListSuspense(
        self, request: pb.ListSuspenseRequest, context: grpc.ServicerContext
    ) -> pb.ListSuspenseResponse:
        self.listed.append(request)
        self.callers.add(caller_of(context))
        project = "lata" if not request.page_token else ""
        kind = pb.Suspense(
            partner="weibo",
            project=project,
            reason=pb.SUSPENSE_REASON_PROJECT_UNKNOWN,
            count=1_500,
            amount=Money(currency_code="CNY", micros=1_500_500_000),
        )
        token = "" if request.page_token else "more"
        return pb.ListSuspenseResponse(suspense=[kind], next_page_token=token)

    def AllocateDonations(
        self, request: pb.AllocateDonationsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.AllocateDonationsResponse]:
        self.asked.append(request)
        self.callers.add(caller_of(context))
        named = len(request.gifts.gifts)
        done = (named or 1_500) - self.refunded
        yield self._answer(done // 2, 0)
        outcomes = [ALLOCATED] * done + [REFUNDED] * self.refunded if named else ()
        yield self._answer(done, self.refunded, outcomes=outcomes, done=True)

    def _answer(
        self, allocated: int, refunded: int, **rest: object
    ) -> pb.AllocateDonationsResponse:
        counts = {ALLOCATED: allocated, REFUNDED: refunded}
        sums = [Money(currency_code="CNY", micros=allocated * 1_250_000)] if allocated else []
        return pb.AllocateDonationsResponse(
            counts=[pb.AllocationCount(outcome=o, count=n) for o, n in counts.items() if n],
            allocated=sums,
            **rest,  # type: ignore[arg-type]
        )


@pytest.fixture
def fake() -> FakeAllocation:
    return FakeAllocation()


@pytest.fixture
def state(serve_mesh: ServeMesh, fake: FakeAllocation) -> Path:
    return serve_mesh(donations=(pb_grpc.add_AllocationServiceServicer_to_server, fake))


def test_suspense_is_listed_to_the_last_page(state: Path, fake: FakeAllocation) -> None:
    result = run(state, "review", "suspense", "--partner", "weibo", "--csv")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "partner,project,reason,gifts,amount,unit",
        "weibo,lata,project unknown,1500,1500.50,CNY",
        "weibo,,project unknown,1500,1500.50,CNY",
    ]
    assert [one.partner for one in fake.listed] == ["weibo", "weibo"]
    assert fake.callers == {"spiffe://watersmeet/finance/local"}


def test_it_shows_what_it_would_do_and_asks(state: Path, fake: FakeAllocation) -> None:
    fake.refunded = 1
    result = run(state, "allocate", "late", *KIND, "--without-campaign", says="y\n")
    assert "1,499 of 1,500 gifts can be allocated to late, 1,873.75 CNY; " in result.output
    assert "the others: 1 refunded. Allocate them?" in result.output.replace("\n", " ")
    assert "allocated CNY: 1,873.75" in result.stdout
    assert result.exit_code == 1, "one is left"
    looked, did = fake.asked
    assert looked.validate_only
    assert not did.validate_only
    assert (did.project, did.without_campaign) == ("late", True)
    assert (did.suspended.partner, did.suspended.project) == ("weibo", "lata")
    assert f"request {did.request_id}" in result.output
    assert uuid.UUID(did.request_id).version == 7


def test_after_a_no_nothing_is_done(state: Path, fake: FakeAllocation) -> None:
    result = run(state, "allocate", "late", *KIND, says="n\n")
    assert result.exit_code == 1
    assert [one.validate_only for one in fake.asked] == [True]


def test_where_nothing_can_be_allocated_it_does_not_ask(state: Path, fake: FakeAllocation) -> None:
    fake.refunded = 1
    result = run(state, "allocate", "late", "weibo/1")
    assert result.exit_code == 1
    assert "0 of 1 gifts can be allocated to late; the others: 1 refunded." in result.output
    assert [one.validate_only for one in fake.asked] == [True]


def test_gifts_are_named_with_their_partners(state: Path, fake: FakeAllocation) -> None:
    request = str(uuid.uuid4())
    asked = ["weibo/1", "xiaomi/a/b", "--yes", "--request", request, "--json"]
    result = run(state, "allocate", "late", *asked)
    assert result.exit_code == 0, result.output
    [did] = fake.asked
    names = [(gift.partner, gift.external_id) for gift in did.gifts.gifts]
    assert names == [("weibo", "1"), ("xiaomi", "a/b")]
    assert json.loads(result.stdout) == {
        "allocated_CNY": "2.50",
        "request_id": request,
        "rows": [
            {"partner": "weibo", "external_id": "1", "outcome": "allocated"},
            {"partner": "xiaomi", "external_id": "a/b", "outcome": "allocated"},
        ],
    }


def test_a_preview_allocates_nothing(state: Path, fake: FakeAllocation) -> None:
    asked = ["--partner", "weibo", "--named", "", "--reason", "project-missing", "--preview"]
    result = run(state, "allocate", "late", *asked, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "would_be_allocated_CNY": "1875.00",
        "rows": [{"outcome": "allocated", "gifts": 1_500}],
    }
    [looked] = fake.asked
    assert looked.validate_only
    assert looked.suspended.HasField("project")
    assert looked.suspended.reason == pb.SUSPENSE_REASON_PROJECT_MISSING


def test_what_was_allocated_wrongly_goes_to_another_project(
    state: Path, fake: FakeAllocation
) -> None:
    result = run(state, "allocate", "late", "weibo/1", "--again", "--yes")
    assert result.exit_code == 0, result.output
    wrong = str(uuid.uuid4())
    kind = ("--partner", "weibo", "--allocated-to", "pond", "--allocated-by", wrong)
    result = run(state, "allocate", "late", *kind, says="y\n")
    assert result.exit_code == 0, result.output
    named, looked, did = fake.asked
    assert (named.again, named.project) == (True, "late")
    assert (looked.validate_only, did.validate_only) == (True, False)
    asked = pb.AllocatedGifts(partner="weibo", project="pond", request_id=wrong)
    assert did.allocated == asked


def test_what_was_allocated_wrongly_goes_back_into_suspense(
    state: Path, fake: FakeAllocation
) -> None:
    result = run(state, "allocate", "--to-suspense", "weibo/1", "xiaomi/2", says="y\n")
    assert result.exit_code == 0, result.output
    assert "2 of 2 gifts can go back into suspense, 2.50 CNY. Put them back?" in " ".join(
        result.output.split()
    )
    _, did = fake.asked
    assert (did.to_suspense, did.project) == (True, "")
    names = [(gift.partner, gift.external_id) for gift in did.gifts.gifts]
    assert names == [("weibo", "1"), ("xiaomi", "2")]
    kind = ("--partner", "weibo", "--allocated-to", "pond")
    assert run(state, "allocate", "--to-suspense", *kind, "--yes").exit_code == 0
    assert fake.asked[-1].allocated == pb.AllocatedGifts(partner="weibo", project="pond")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--to-suspense",),
        ("--to-suspense", "late", "weibo/1"),
        ("late", "--partner", "weibo", "--named", "x", "--allocated-to", "pond"),
        ("late", "weibo/1", "--allocated-to", "pond"),
        ("late", "--partner", "weibo", "--named", "x", "--allocated-by", str(uuid.uuid4())),
        ("late",),
        ("late", "weibo/1", "--partner", "weibo"),
        ("late", "weibo"),
        ("late", "/1"),
    ],
)
def test_what_names_no_gifts(state: Path, fake: FakeAllocation, arguments: tuple[str, ...]) -> None:
    assert run(state, "allocate", *arguments).exit_code == 2
    assert fake.asked == []
