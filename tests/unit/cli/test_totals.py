"""`watersmeet totals`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner
from watersmeet.gateway.v1 import totals_service_pb2 as pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.type.v1 import purpose_pb2
from watersmeet.type.v1.money_pb2 import Money

from services.cli.main import build
from services.cli.render import amount
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.errors import MeshError
from tests.unit.cli.conftest import ServeMesh, caller_of

NOON = datetime(2026, 9, 5, 12, tzinfo=UTC)


def row(
    state: "ledger_pb.TotalState.ValueType",
    micros: int,
    count: int,
    currency: str = "CNY",
    purpose: "purpose_pb2.Purpose.ValueType" = purpose_pb2.PURPOSE_CHARITY,
) -> pb.TotalsRow:
    return pb.TotalsRow(
        state=state,
        amount=Money(currency_code=currency, micros=micros),
        count=count,
        purpose=purpose,
    )


class FakeTotals(pb_grpc.TotalsServiceServicer):
    """Answers what it is given, and keeps what it was asked."""

    def __init__(self, *rows: pb.TotalsRow) -> None:
        self.answer = pb.GetTotalsResponse(rows=rows)
        self.asked: list[tuple[str, pb.GetTotalsRequest]] = []

    def GetTotals(
        self, request: pb.GetTotalsRequest, context: grpc.ServicerContext
    ) -> pb.GetTotalsResponse:
        self.asked.append((caller_of(context), request))
        if not self.answer.HasField("as_of"):
            context.abort(grpc.StatusCode.UNAVAILABLE, "the totals are still being loaded")
        return self.answer

    def WatchTotals(
        self, request: pb.WatchTotalsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchTotalsResponse]:
        raise NotImplementedError


@pytest.fixture
def fake() -> FakeTotals:
    fake = FakeTotals(
        row(ledger_pb.TOTAL_STATE_CLAIMED, 1_234_567_890_000, 1_500),
        row(ledger_pb.TOTAL_STATE_CLAIMED, 5_000_001, 1, "USD"),
        row(ledger_pb.TOTAL_STATE_REFUNDED, 2_500_000, 2),
        row(ledger_pb.TOTAL_STATE_CLAIMED, 7_000_000, 3, purpose=purpose_pb2.PURPOSE_APPEAL),
    )
    fake.answer.as_of.sequence = 1_812
    fake.answer.as_of.time.FromDatetime(NOON)
    fake.answer.as_of.watermarks["weibo"].FromDatetime(NOON)
    fake.answer.as_of.watermarks["alipay"].FromDatetime(NOON)
    return fake


def run(state: Path, *arguments: str) -> str:
    # One command alone becomes the application; main() always has several.
    result = CliRunner(env={"COLUMNS": "80"}).invoke(
        build(["totals", "audit"]), ["totals", "--state", str(state), *arguments]
    )
    if result.exception is not None:
        raise result.exception
    return result.output


def served(serve_mesh: ServeMesh, fake: FakeTotals) -> Path:
    return serve_mesh(gateway=(pb_grpc.add_TotalsServiceServicer_to_server, fake))


def test_states_and_purposes_stand_in_lines_of_their_own(
    serve_mesh: ServeMesh, fake: FakeTotals
) -> None:
    output = run(served(serve_mesh, fake))
    lines = [line.replace("│", " ").split() for line in output.splitlines() if "│" in line]
    assert lines == [
        ["charity", "CNY", "claimed", "1,234,567.89", "1,500"],
        ["charity", "CNY", "refunded", "2.50", "2"],
        ["charity", "USD", "claimed", "5.000001", "1"],
        ["appeal", "CNY", "claimed", "7.00", "3"],
    ]
    assert "as of entry: 1,812\nas of: 2026-09-05 12:00:00Z\n" in output
    assert "alipay is complete until: 2026-09-05 12:00:00Z\n" in output
    ((caller, request),) = fake.asked
    assert caller == "spiffe://watersmeet/operator/local"
    assert request == pb.GetTotalsRequest(filter=pb.TotalsFilter())


@pytest.mark.parametrize(
    ("by", "dimension"),
    [
        ("project", pb.DIMENSION_PROJECT),
        ("campaign", pb.DIMENSION_CAMPAIGN),
        ("partner", pb.DIMENSION_PARTNER),
        ("hour", pb.DIMENSION_HOUR),
    ],
)
def test_rows_are_told_apart_as_asked(
    serve_mesh: ServeMesh, fake: FakeTotals, by: str, dimension: "pb.Dimension.ValueType"
) -> None:
    shown = {"hour": "2026-09-05T12:00:00Z"}.get(by, "clean-water")
    for found in fake.answer.rows:
        if by == "hour":
            found.hour.FromDatetime(NOON)
        else:
            setattr(found, by, "clean-water")
    state = served(serve_mesh, fake)
    output = run(state, "--by", by, "--campaign", "week-2026")
    ((_, request),) = fake.asked
    assert list(request.group_by) == [dimension]
    assert list(request.filter.campaigns) == ["week-2026"]
    assert output.count(shown) == 4
    document = json.loads(run(state, "--by", by, "--json"))
    assert document["group_by"] == [by]
    assert {found[by] for found in document["rows"]} == {shown}


def test_for_a_spreadsheet_each_number_has_a_line(serve_mesh: ServeMesh, fake: FakeTotals) -> None:
    lines = run(served(serve_mesh, fake), "--by", "project", "--csv").splitlines()
    assert lines[0] == "project,purpose,unit,state,amount,count"
    assert "(none),charity,CNY,claimed,1234567.89,1500" in lines


def test_json_is_exact(serve_mesh: ServeMesh, fake: FakeTotals) -> None:
    assert json.loads(run(served(serve_mesh, fake), "--json")) == {
        "as_of": {
            "sequence": 1_812,
            "time": "2026-09-05T12:00:00Z",
            "complete_until": {"alipay": "2026-09-05T12:00:00Z", "weibo": "2026-09-05T12:00:00Z"},
        },
        "group_by": [],
        "rows": [
            {
                "purpose": "charity",
                "state": "claimed",
                "currency": "CNY",
                "micros": "1234567890000",
                "amount": "1234567.89",
                "count": 1_500,
            },
            {
                "purpose": "charity",
                "state": "claimed",
                "currency": "USD",
                "micros": "5000001",
                "amount": "5.000001",
                "count": 1,
            },
            {
                "purpose": "charity",
                "state": "refunded",
                "currency": "CNY",
                "micros": "2500000",
                "amount": "2.50",
                "count": 2,
            },
            {
                "purpose": "appeal",
                "state": "claimed",
                "currency": "CNY",
                "micros": "7000000",
                "amount": "7.00",
                "count": 3,
            },
        ],
    }


def test_nothing_yet_is_said_so(serve_mesh: ServeMesh) -> None:
    fake = FakeTotals()
    fake.answer.as_of.sequence = 0
    state = served(serve_mesh, fake)
    assert run(state) == "Nothing there.\nas of entry: 0\n"
    assert json.loads(run(state, "--json"))["as_of"]["time"] is None


def test_a_call_that_fails_is_a_fault_of_one_line(serve_mesh: ServeMesh) -> None:
    with pytest.raises(Fault) as caught:
        run(served(serve_mesh, FakeTotals()))
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


def test_without_a_mesh_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="watersmeet up"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("micros", "currency", "shown"),
    [
        (0, "CNY", "0.00"),
        (1, "CNY", "0.000001"),
        (-1_500_000, "CNY", "-1.50"),
        (12_345_678_901_234_567, "CNY", "12,345,678,901.234567"),
        (1_500_000_000, "JPY", "1,500"),
        (-500_000, "JPY", "-0.5"),
        (1_500_000, "KWD", "1.500"),
    ],
)
def test_amounts_are_exact(micros: int, currency: str, shown: str) -> None:
    assert amount(micros, currency) == shown
