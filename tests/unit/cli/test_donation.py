"""`watersmeet donation` and `reports`: a gift, and what companies have told of it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as pb_grpc
from watersmeet.donations.v1 import life_service_pb2 as life_pb
from watersmeet.donations.v1 import life_service_pb2_grpc as life_grpc
from watersmeet.donations.v1.batch_service_pb2 import BATCH_LINE_KIND_SETTLED_REFUND
from watersmeet.type.v1.money_pb2 import Money

from tests.unit.cli.conftest import ServeMesh, run

NOON = Timestamp()
NOON.FromDatetime(datetime(2026, 9, 5, 12, tzinfo=UTC))


def yen(amount: int) -> Money:
    return Money(currency_code="JPY", micros=amount * 1_000_000)


def report(partner: str, external_id: str, *, counts: bool) -> pb.DonationReport:
    return pb.DonationReport(
        partner=partner,
        external_id=external_id,
        amount=yen(1_500),
        event_time=NOON,
        recorded_time=NOON,
        batch_id="b-1",
        gift_partner="bytedance",
        gift_external_id="g-1",
        counts=counts,
    )


REPORTS = [
    report("bytedance", "g-1", counts=True),
    report("tencent", "=4200", counts=False),
]
GIFT = pb.Donation(
    partner="bytedance",
    external_id="g-1",
    project="well",
    campaign="95week",
    amount=yen(1_500),
    refunded=yen(500),
    event_time=NOON,
    recorded_time=NOON,
    state=pb.DONATION_STATE_SETTLED,
    batch_id="b-1",
    allocation=pb.DonationAllocation(
        project="pond", caller="finance/anna", request_id="q-1", allocate_time=NOON
    ),
    reports=REPORTS,
    refunds=[
        pb.Refund(
            refund_id="r-1",
            amount=yen(500),
            cumulative=True,
            event_time=NOON,
            batch_id="b-2",
            partner="tencent",
        ),
        pb.Refund(refund_id="r-2", amount=yen(1), event_time=NOON, partner="tencent"),
    ],
    disputes=[
        pb.Dispute(
            dispute_id="d-1",
            status=pb.DISPUTE_STATUS_WON,
            amount=yen(1_500),
            event_time=NOON,
            partner="bytedance",
        )
    ],
    events=[
        pb.LifeEvent(
            kind=BATCH_LINE_KIND_SETTLED_REFUND, amount=yen(500), recorded_time=NOON, batch_id="b-2"
        )
    ],
)


class FakeDonations(pb_grpc.DonationIntakeServiceServicer, life_grpc.LifeServiceServicer):
    """Has one gift; pages of one report, whatever is asked for."""

    def GetDonation(
        self, request: pb.GetDonationRequest, context: grpc.ServicerContext
    ) -> pb.GetDonationResponse:
        assert (request.partner, request.external_id) == ("bytedance", "g-1")
        return pb.GetDonationResponse(donation=GIFT)

    def ListDonations(
        self, request: pb.ListDonationsRequest, context: grpc.ServicerContext
    ) -> pb.ListDonationsResponse:
        assert request.partner == "bytedance"
        return pb.ListDonationsResponse(
            donations=[GIFT], next_page_token="" if request.page_token else "more"
        )

    def ListReports(
        self, request: life_pb.ListReportsRequest, context: grpc.ServicerContext
    ) -> life_pb.ListReportsResponse:
        assert request.partner == "tencent"
        first = not request.page_token
        return life_pb.ListReportsResponse(
            reports=[REPORTS[0 if first else 1]], next_page_token="more" if first else ""
        )


def add_both(fake: FakeDonations, server: grpc.Server) -> None:
    pb_grpc.add_DonationIntakeServiceServicer_to_server(fake, server)
    life_grpc.add_LifeServiceServicer_to_server(fake, server)


@pytest.fixture
def state(serve_mesh: ServeMesh) -> Path:
    """The state directory of a mesh with the fake for its intake."""
    return serve_mesh(donations=(add_both, FakeDonations()))


def test_a_gift_is_shown_with_all_that_became_of_it(state: Path) -> None:
    result = run(state, "donation", "bytedance", "g-1")
    assert result.exit_code == 0, result.exception
    for told in ("amount: 1,500\n", "state: settled\n", "stands in: fund\n", "batch: b-1\n"):
        assert told in result.stdout
    for part in ("reports", "refunds", "disputes", "events"):
        assert f"\n{part} " in result.stdout
    assert "settled refund" in result.stdout
    assert "won" in result.stdout


def test_a_gift_for_programs_is_exact(state: Path) -> None:
    told = json.loads(run(state, "donation", "bytedance", "g-1", "--json").stdout)
    assert (told["amount"], told["refunded"], told["unit"]) == ("1500", "500", "JPY")
    assert [one["counts"] for one in told["reports"]] == ["yes", "no"]
    assert told["refunds"][0] == {
        "refund": "r-1",
        "amount": "500",
        "unit": "JPY",
        "is": "all so far",
        "given_back": "2026-09-05T12:00:00Z",
        "reported_by": "tencent",
        "batch": "b-2",
    }
    assert (told["refunds"][1]["is"], told["refunds"][1]["batch"]) == ("this one", None)
    assert told["disputes"][0]["status"] == "won"
    assert told["events"][0]["moved"] == "settled refund"
    assert (told["project"], told["allocated_to"], told["counts_for_campaign"]) == (
        "well",
        "pond",
        None,
    )
    assert (told["allocated_by"], told["allocated_by_request"]) == ("finance/anna", "q-1")
    assert told["allocated"] == "2026-09-05T12:00:00Z"


def test_all_pages_of_gifts_are_listed(state: Path) -> None:
    result = run(state, "donations", "bytedance", "--csv")
    assert result.exit_code == 0, result.exception
    header, *rows = result.stdout.splitlines()
    assert header.startswith("partner,external_id,project,campaign,amount,refunded,unit")
    noon = "2026-09-05T12:00:00Z"
    gift = f"bytedance,g-1,well,95week,1500,500,JPY,JPY,settled,fund,{noon},{noon},b-1,pond"
    assert rows == [gift, gift]


def test_all_pages_of_reports_are_listed_and_harmless(state: Path) -> None:
    result = run(state, "reports", "tencent", "--csv")
    assert result.exit_code == 0, result.exception
    noon = "2026-09-05T12:00:00Z"
    assert result.stdout.splitlines()[1:] == [
        f"bytedance,g-1,1500,JPY,{noon},{noon},b-1,bytedance,g-1,yes",
        f"tencent,'=4200,1500,JPY,{noon},{noon},b-1,bytedance,g-1,no",
    ]
