"""`watersmeet reverse`: what it asks, shows and calls."""

import json
import uuid

import grpc
import pytest
from typer.testing import Result
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as ledger_grpc
from watersmeet.ledger.v1 import reversal_service_pb2 as pb
from watersmeet.ledger.v1 import reversal_service_pb2_grpc as pb_grpc
from watersmeet.type.v1.money_pb2 import Money

from services.runtime.errors import Fault, Reason
from tests.unit.cli import conftest
from tests.unit.cli.conftest import ServeMesh, caller_of


def transfer(micros: int, count: int) -> ledger_pb.Transfer:
    return ledger_pb.Transfer(
        debit_account="partner/weibo/claimed",
        credit_account="project/well/fund",
        amount=Money(currency_code="CNY", micros=micros),
        count=count,
    )


ENTRY = ledger_pb.Entry(sequence=7, transfers=[transfer(12_500_000, 2), transfer(20_000_000, 1)])


class FakeLedger(ledger_grpc.LedgerServiceServicer, pb_grpc.ReversalServiceServicer):
    """Has one entry, and keeps what it is asked to reverse."""

    def __init__(self) -> None:
        self.asked: list[pb.ReverseEntryRequest] = []
        self.callers: set[str] = set()

    def GetEntry(
        self, request: ledger_pb.GetEntryRequest, context: grpc.ServicerContext
    ) -> ledger_pb.GetEntryResponse:
        assert request.sequence == ENTRY.sequence
        return ledger_pb.GetEntryResponse(entry=ENTRY)

    def ReverseEntry(
        self, request: pb.ReverseEntryRequest, context: grpc.ServicerContext
    ) -> pb.ReverseEntryResponse:
        self.callers.add(caller_of(context))
        replayed = any(one.request_id == request.request_id for one in self.asked)
        self.asked.append(request)
        return pb.ReverseEntryResponse(sequence=8, hash=b"\xab" * 32, replayed=replayed)


def add_both(fake: FakeLedger, server: grpc.Server) -> None:
    ledger_grpc.add_LedgerServiceServicer_to_server(fake, server)
    pb_grpc.add_ReversalServiceServicer_to_server(fake, server)


def run(serve_mesh: ServeMesh, fake: FakeLedger, *arguments: str, says: str = "") -> Result:
    state = serve_mesh(ledger=(add_both, fake))
    return conftest.run(state, "reverse", "7", "--document", "memo-1", *arguments, says=says)


def test_all_of_an_entry_after_a_yes(serve_mesh: ServeMesh) -> None:
    fake = FakeLedger()
    result = run(serve_mesh, fake, says="y\n")
    assert result.exit_code == 0, result.exception
    assert "12.50 CNY from partner/weibo/claimed back to project/well/fund" in result.stderr
    assert "20.00 CNY" in result.stderr
    assert result.stdout.endswith("Entry 7 is reversed by entry 8.\n")
    (asked,) = fake.asked
    assert (asked.sequence, list(asked.parts), asked.document) == (7, [], "memo-1")
    assert uuid.UUID(asked.request_id)
    assert fake.callers == {"spiffe://watersmeet/finance/local"}


def test_nothing_after_a_no(serve_mesh: ServeMesh) -> None:
    fake = FakeLedger()
    assert run(serve_mesh, fake, says="n\n").exit_code == 1
    assert fake.asked == []


@pytest.mark.parametrize(
    ("arguments", "micros", "count"),
    [
        (("--line", "1"), 20_000_000, 1),
        (("--line", "1", "--amount", "0.000005"), 5, 0),
        (("--line", "1", "--amount", "19.999995", "--gifts", "1"), 19_999_995, 1),
    ],
)
def test_a_part_of_one_line(
    serve_mesh: ServeMesh, arguments: tuple[str, ...], micros: int, count: int
) -> None:
    fake = FakeLedger()
    result = run(serve_mesh, fake, *arguments, says="y\n")
    assert result.exit_code == 0, result.exception
    assert "12.50" not in result.stderr
    (part,) = fake.asked[0].parts
    assert (part.position, part.amount.micros, part.count) == (1, micros, count)


def test_the_same_request_again_says_so(serve_mesh: ServeMesh) -> None:
    fake = FakeLedger()
    request = str(uuid.uuid4())
    run(serve_mesh, fake, "--yes", "--request", request)
    again = run(serve_mesh, fake, "--yes", "--request", request, "--json")
    assert json.loads(again.stdout) == {
        "sequence": 8,
        "hash": "ab" * 32,
        "replayed": True,
        "request_id": request,
    }
    assert fake.asked[0] == fake.asked[1]


def test_a_request_made_here_says_the_same_on_every_later_day(serve_mesh: ServeMesh) -> None:
    fake = FakeLedger()
    earlier = "01991c00-0000-7000-8000-000000000000"  # 2025-09-05T22:29:46.112Z
    run(serve_mesh, fake, "--yes", "--request", earlier)
    run(serve_mesh, fake, "--yes")
    first, now = fake.asked
    assert first.value_time.ToJsonString() == "2025-09-05T22:29:46.112Z"
    assert uuid.UUID(now.request_id).version == 7
    made = uuid.UUID(now.request_id).int >> 80
    assert now.value_time.ToMilliseconds() == made


def test_gifts_need_their_amount(serve_mesh: ServeMesh) -> None:
    assert run(serve_mesh, FakeLedger(), "--line", "1", "--gifts", "1", "--yes").exit_code == 2


def test_a_line_that_is_not_there(serve_mesh: ServeMesh) -> None:
    result = run(serve_mesh, FakeLedger(), "--line", "2", "--yes")
    assert isinstance(result.exception, Fault)
    assert result.exception.reason is Reason.FIELD_INVALID


def test_an_amount_needs_its_line(serve_mesh: ServeMesh) -> None:
    assert run(serve_mesh, FakeLedger(), "--amount", "0.000005", "--yes").exit_code == 2
