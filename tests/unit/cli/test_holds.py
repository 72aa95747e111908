"""`watersmeet holds`: what it lists, asks and ends."""

import json
import uuid
from pathlib import Path

import grpc
import pytest
from watersmeet.ledger.v1 import hold_service_pb2 as pb
from watersmeet.ledger.v1 import hold_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.type.v1.money_pb2 import Money

from tests.unit.cli.conftest import ServeMesh, caller_of, run


def hold(sequence: int, state: "pb.HoldState.ValueType") -> pb.HoldStatus:
    ended = state != pb.HOLD_STATE_OPEN
    return pb.HoldStatus(
        name=ledger_pb.TransferName(sequence=sequence, position=1),
        transfer=ledger_pb.Transfer(
            debit_account="sponsor/lin/pool",
            credit_account="project/well/fund",
            amount=Money(currency_code="CNY", micros=12_500_000),
            count=2,
            hold=ledger_pb.Hold(),
        ),
        state=state,
        end_sequence=sequence + 10 if ended else 0,
    )


OPEN = hold(7, pb.HOLD_STATE_OPEN)
ENDED = hold(8, pb.HOLD_STATE_VOIDED)


class FakeHolds(pb_grpc.HoldServiceServicer):
    """Pages of one, whatever is asked for; keeps what is asked."""

    def __init__(self) -> None:
        self.asked: list[pb.CommitHoldRequest | pb.VoidHoldRequest] = []
        self.callers: set[str] = set()

    def ListHolds(
        self, request: pb.ListHoldsRequest, context: grpc.ServicerContext
    ) -> pb.ListHoldsResponse:
        assert (request.code, request.currency_code) == ("sponsor/lin/pool", "CNY")
        if request.open_only:
            return pb.ListHoldsResponse(holds=[OPEN])
        if request.page_token:
            return pb.ListHoldsResponse(holds=[ENDED])
        return pb.ListHoldsResponse(holds=[OPEN], next_page_token="more")

    def GetHold(
        self, request: pb.GetHoldRequest, context: grpc.ServicerContext
    ) -> pb.GetHoldResponse:
        assert request.name == OPEN.name
        return pb.GetHoldResponse(hold=OPEN)

    def CommitHold(
        self, request: pb.CommitHoldRequest, context: grpc.ServicerContext
    ) -> pb.CommitHoldResponse:
        self._came(request, context)
        return pb.CommitHoldResponse(sequence=9, hash=b"\xab" * 32)

    def VoidHold(
        self, request: pb.VoidHoldRequest, context: grpc.ServicerContext
    ) -> pb.VoidHoldResponse:
        self._came(request, context)
        return pb.VoidHoldResponse(sequence=9, hash=b"\xab" * 32, replayed=True)

    def _came(
        self, request: pb.CommitHoldRequest | pb.VoidHoldRequest, context: grpc.ServicerContext
    ) -> None:
        self.asked.append(request)
        self.callers.add(caller_of(context))


@pytest.fixture
def fake() -> FakeHolds:
    return FakeHolds()


@pytest.fixture
def state(serve_mesh: ServeMesh, fake: FakeHolds) -> Path:
    """The state directory of a mesh with the fake for its ledger."""
    return serve_mesh(ledger=(pb_grpc.add_HoldServiceServicer_to_server, fake))


def test_open_holds_are_listed_and_ended_ones_on_request(state: Path) -> None:
    only_open = run(state, "holds", "list", "sponsor/lin/pool", "--json")
    assert only_open.exit_code == 0, only_open.exception
    assert json.loads(only_open.stdout)["rows"] == [
        {
            "hold": "7/1",
            "state": "open",
            "debit_account": "sponsor/lin/pool",
            "credit_account": "project/well/fund",
            "amount": "12.50",
            "unit": "CNY",
            "expires": None,
            "campaign": "",
            "project": "",
            "gifts": 2,
            "ended_by_entry": None,
        }
    ]
    every = run(state, "holds", "list", "sponsor/lin/pool", "--all", "--csv").stdout.splitlines()
    assert [line.split(",")[:2] for line in every[1:]] == [["7/1", "open"], ["8/1", "voided"]]
    assert every[2].endswith(",18")


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "0.0000001", "1,000", "x"])
def test_a_part_is_an_amount(state: Path, fake: FakeHolds, amount: str) -> None:
    assert run(state, "holds", "commit", "7/1", "--amount", amount, "--yes").exit_code == 2


@pytest.mark.parametrize(("option", "micros"), [((), None), (("--amount", "0.000005"), 5)])
def test_a_hold_is_committed_after_a_yes(
    state: Path, fake: FakeHolds, option: tuple[str, ...], micros: int | None
) -> None:
    result = run(state, "holds", "commit", "7/1", *option, says="y\n")
    assert result.exit_code == 0, result.exception
    shown = "0.000005" if micros else "12.50"
    assert f"Move {shown} CNY from project/well/fund to sponsor/lin/pool?" in result.stderr
    assert result.stdout.endswith("Hold 7/1 is committed by entry 9.\n")
    (asked,) = fake.asked
    assert isinstance(asked, pb.CommitHoldRequest)
    assert asked.name == OPEN.name
    assert asked.HasField("amount") == (micros is not None)
    assert asked.amount.micros == (micros or 0)
    assert asked.value_time.ToMilliseconds() == uuid.UUID(asked.request_id).int >> 80
    assert fake.callers == {"spiffe://watersmeet/finance/local"}


def test_a_hold_is_voided(state: Path, fake: FakeHolds) -> None:
    assert run(state, "holds", "void", "7/1", says="n\n").exit_code == 1
    assert fake.asked == []
    result = run(state, "holds", "void", "7/1", "--yes")
    assert result.stdout == "Hold 7/1 was voided before by entry 9.\n"


@pytest.mark.parametrize("name", ["7", "7/", "/1", "7/1/1", "a/b"])
def test_a_hold_has_an_entry_and_a_line(state: Path, fake: FakeHolds, name: str) -> None:
    result = run(state, "holds", "void", "--yes", name)
    assert result.exit_code == 2
    assert fake.asked == []
