"""`watersmeet pledges`: what is pledged, and what the orders come to."""

import json
import uuid
from pathlib import Path

import grpc
import pytest
from watersmeet.donations.v1 import pledge_service_pb2 as pb
from watersmeet.donations.v1 import pledge_service_pb2_grpc as pb_grpc
from watersmeet.type.v1.money_pb2 import Money

from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority
from services.runtime.supervisor.errors import MeshError
from tests.unit.cli.conftest import ServeMesh, caller_of, run

PLEDGES = [
    pb.Pledge(
        partner="alipay",
        code="merchant-7",
        version=1,
        rate_ppm=3_000,
        currency_code="CNY",
        shares=[
            pb.PledgeShare(project="water", weight=2),
            pb.PledgeShare(project="books", weight=1),
        ],
        unit_micros=10_000,
    ),
    pb.Pledge(
        partner="alipay",
        code="merchant-8",
        version=2,
        fixed_micros=1_500_000_000,
        currency_code="JPY",
        shares=[pb.PledgeShare(project="water", weight=1)],
        unit_micros=1_000_000,
    ),
    pb.Pledge(partner="alipay", code="merchant-9", rate_ppm=1_000_000, currency_code="CNY"),
]
PLEDGES[1].end_time.FromJsonString("2019-10-01T00:00:00Z")
EPOCH = "1970-01-01T00:00:00Z"


class FakePledges(pb_grpc.PledgeServiceServicer):
    """Pages of one pledge, whatever is asked for. Keeps who gave a remainder, and of what."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str, int]] = []

    def ListPledges(
        self, request: pb.ListPledgesRequest, context: grpc.ServicerContext
    ) -> pb.ListPledgesResponse:
        assert request.partner == "alipay"
        place = int(request.page_token or 0)
        token = str(place + 1) if place + 1 < len(PLEDGES) else ""
        return pb.ListPledgesResponse(pledges=[PLEDGES[place]], next_page_token=token)

    def GetPledge(
        self, request: pb.GetPledgeRequest, context: grpc.ServicerContext
    ) -> pb.GetPledgeResponse:
        assert (request.partner, request.code, request.version) == ("alipay", "merchant-7", 1)
        account = pb.PledgeAccount(
            orders=2_000,
            paid_micros=26_490_000,
            share_micros=79_470,
            share_millionths=500,
            given_micros=60_000,
            remainder_micros=19_470,
            remainder_millionths=500,
        )
        return pb.GetPledgeResponse(pledge=PLEDGES[0], account=account)

    def GiveRemainder(
        self, request: pb.GiveRemainderRequest, context: grpc.ServicerContext
    ) -> pb.GiveRemainderResponse:
        uuid.UUID(request.request_id)
        self.given.append((caller_of(context), request.code, request.version))
        account = pb.PledgeAccount(
            orders=2,
            paid_micros=26_490_000,
            share_micros=79_470,
            given_micros=70_000,
            remainder_micros=9_470,
        )
        given = Money(currency_code="CNY", micros=10_000)
        return pb.GiveRemainderResponse(given=given, account=account)

    def GetOrder(
        self, request: pb.GetOrderRequest, context: grpc.ServicerContext
    ) -> pb.GetOrderResponse:
        assert (request.partner, request.order_id) == ("alipay", "A-1")
        gift = Money(currency_code="CNY", micros=30_000)
        return pb.GetOrderResponse(
            partner="alipay",
            order_id="A-1",
            paid=Money(currency_code="CNY", micros=19_990_000),
            pledge="merchant-7",
            pledge_version=1,
            gifts=[pb.OrderGift(external_id="A-1/1", project="water", amount=gift)],
        )


@pytest.fixture
def fake() -> FakePledges:
    return FakePledges()


@pytest.fixture
def state(serve_mesh: ServeMesh, fake: FakePledges) -> Path:
    """The state directory of a mesh with the fake for its intake."""
    return serve_mesh(donations=(pb_grpc.add_PledgeServiceServicer_to_server, fake))


def test_all_pages_of_pledges_are_listed(state: Path) -> None:
    result = run(state, "pledges", "list", "alipay", "--csv")
    assert result.exit_code == 0, result.exception
    assert result.stdout.splitlines() == [
        "partner,pledge,version,percent,fixed,unit,projects,campaign,starts,ends,rounded_to",
        f'alipay,merchant-7,1,0.3,,CNY,"water 2, books 1",,{EPOCH},,0.01',
        f"alipay,merchant-8,2,,1500,JPY,water 1,,{EPOCH},2019-10-01T00:00:00Z,1",
        f"alipay,merchant-9,0,100,,CNY,,,{EPOCH},,0.00",
    ]


def test_a_pledge_is_shown_with_its_exact_account(state: Path) -> None:
    asked = ("pledges", "show", "alipay", "merchant-7", "--version", "1")
    shown = run(state, *asked).stdout
    for told in ("percent: 0.3\n", "orders: 2,000\n", "shares: 0.0794700005\n", "given: 0.06\n"):
        assert told in shown
    told = json.loads(run(state, *asked, "--json").stdout)
    assert (told["orders"], told["paid"], told["remainder"]) == (2_000, "26.49", "0.0194700005")


def test_an_order_is_shown_with_its_gifts(state: Path) -> None:
    shown = run(state, "pledges", "order", "alipay", "A-1").stdout
    assert "paid: 19.99\n" in shown
    assert "A-1/1" in shown
    told = json.loads(run(state, "pledges", "order", "alipay", "A-1", "--json").stdout)
    assert (told["pledge"], told["version"], told["shopper_known"]) == ("merchant-7", 1, "no")
    assert told["gifts"] == [
        {"external_id": "A-1/1", "project": "water", "amount": "0.03", "unit": "CNY"}
    ]


def test_a_remainder_is_given_as_its_partner(state: Path, fake: FakePledges) -> None:
    asked = ("pledges", "give-remainder", "alipay", "merchant-7")
    nobody = run(state, *asked)
    assert isinstance(nobody.exception, MeshError)
    assert "watersmeet certs issue partner alipay" in str(nobody.exception)
    Authority(state / "certs").issue(Caller(Role.PARTNER, "alipay"))
    shown = run(state, *asked)
    assert shown.exit_code == 0, shown.exception
    for told in ("given now: 0.01\n", "given: 0.07\n", "remainder: 0.00947\n"):
        assert told in shown.stdout
    told = json.loads(run(state, *asked, "--version", "2", "--json").stdout)
    assert (told["pledge"], told["given_now"], told["unit"]) == ("merchant-7", "0.01", "CNY")
    alipay = "spiffe://watersmeet/partner/alipay"
    assert fake.given == [(alipay, "merchant-7", 0), (alipay, "merchant-7", 2)]
