"""`watersmeet periods`: what it shows, and what each decision says to the ledger."""

import json
import uuid
from pathlib import Path

import grpc
import pytest
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.ledger.v1 import period_service_pb2 as pb
from watersmeet.ledger.v1 import period_service_pb2_grpc as pb_grpc
from watersmeet.type.v1.money_pb2 import Money

from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority
from tests.unit.cli.conftest import ServeMesh, caller_of, run

PERIODS = [
    pb.Period(name="2019-08", state=pb.PERIOD_STATE_CLOSED),
    pb.Period(name="2019-09-05", state=pb.PERIOD_STATE_CLOSING),
    pb.Period(
        name="2019-09-06",
        state=pb.PERIOD_STATE_CLOSED,
        reopening_proposed_by="finance/local",
        reopening_sequence=9,
    ),
]
LATE = pb.LateArrival(
    name=ledger_pb.TransferName(sequence=12, position=1),
    value_date="2019-09-05",
    book_date="2019-10-01",
    time_zone="Europe/London",
    transfer=ledger_pb.Transfer(
        debit_account="partner/weibo/claimed",
        credit_account="project/well/fund",
        amount=Money(currency_code="JPY", micros=1_500_000_000),
        campaign="=evil",
        project="well",
        count=3,
    ),
)


class FakePeriods(pb_grpc.PeriodServiceServicer):
    """Pages of two, whatever is asked for; keeps what is decided, and by whom."""

    def __init__(self) -> None:
        self.decided: list[pb.DecidePeriodRequest] = []
        self.callers: list[str] = []
        self.late_of: set[str] = set()

    def ListPeriods(
        self, request: pb.ListPeriodsRequest, context: grpc.ServicerContext
    ) -> pb.ListPeriodsResponse:
        start = int(request.page_token or 0)
        token = str(start + 2) if start + 2 < len(PERIODS) else ""
        return pb.ListPeriodsResponse(periods=PERIODS[start : start + 2], next_page_token=token)

    def ListLateArrivals(
        self, request: pb.ListLateArrivalsRequest, context: grpc.ServicerContext
    ) -> pb.ListLateArrivalsResponse:
        self.late_of.add(request.period)
        return pb.ListLateArrivalsResponse(arrivals=[LATE])

    def DecidePeriod(
        self, request: pb.DecidePeriodRequest, context: grpc.ServicerContext
    ) -> pb.DecidePeriodResponse:
        replayed = any(one.request_id == request.request_id for one in self.decided)
        self.decided.append(request)
        self.callers.append(caller_of(context))
        proposed = request.action == pb.PERIOD_ACTION_PROPOSE_REOPENING
        return pb.DecidePeriodResponse(
            period=PERIODS[2] if proposed else PERIODS[1], sequence=9, replayed=replayed
        )


@pytest.fixture
def fake() -> FakePeriods:
    return FakePeriods()


@pytest.fixture
def state(serve_mesh: ServeMesh, fake: FakePeriods) -> Path:
    """The state directory of a mesh with the fake for its ledger."""
    return serve_mesh(ledger=(pb_grpc.add_PeriodServiceServicer_to_server, fake))


def test_all_pages_are_listed(state: Path, fake: FakePeriods) -> None:
    result = run(state, "periods", "list", "--csv")
    assert result.exit_code == 0, result.exception
    assert result.stdout == (
        "period,state,reopening_proposed_by,reopening_entry\n"
        "2019-08,closed,,\n"
        "2019-09-05,closing,,\n"
        "2019-09-06,closed,finance/local,9\n"
    )


def test_late_gifts_are_exact_and_harmless(state: Path, fake: FakePeriods) -> None:
    shown = run(state, "periods", "late", "2019-09-05")
    assert shown.exit_code == 0, shown.exception
    assert "1,500 " in shown.stdout
    written = run(state, "periods", "late", "--csv").stdout.splitlines()[1]
    assert written == (
        "12,1,2019-09-05,2019-10-01,Europe/London,1970-01-01T00:00:00Z,partner/weibo/claimed,"
        "project/well/fund,1500,JPY,'=evil,well,3"
    )
    assert fake.late_of == {"2019-09-05", ""}


@pytest.mark.parametrize(
    ("command", "action"),
    [
        (("begin-closing",), pb.PERIOD_ACTION_BEGIN_CLOSING),
        (("close",), pb.PERIOD_ACTION_CLOSE),
        (("cancel-closing",), pb.PERIOD_ACTION_CANCEL_CLOSING),
        (("reopen",), pb.PERIOD_ACTION_PROPOSE_REOPENING),
        (("reopen", "--approve"), pb.PERIOD_ACTION_APPROVE_REOPENING),
    ],
)
def test_each_command_decides_what_it_says(
    state: Path,
    fake: FakePeriods,
    command: tuple[str, ...],
    action: "pb.PeriodAction.ValueType",
) -> None:
    result = run(state, "periods", *command, "2019-09-05", "--document", "memo-1")
    assert result.exit_code == 0, result.exception
    (asked,) = fake.decided
    assert (asked.period, asked.action, asked.document) == ("2019-09-05", action, "memo-1")
    assert f"request {uuid.UUID(asked.request_id)}" in result.stderr
    assert asked.value_time.ToMilliseconds() == uuid.UUID(asked.request_id).int >> 80
    assert fake.callers == ["spiffe://watersmeet/finance/local"]


def test_the_second_person_has_a_certificate_of_their_own(state: Path, fake: FakePeriods) -> None:
    Authority(state / "certs").issue(Caller(Role.FINANCE, "anna"))
    proposed = run(state, "periods", "reopen", "2019-09-06")
    assert "finance/local proposes to open it again" in proposed.stdout
    run(state, "periods", "reopen", "2019-09-06", "--approve", "--as", "anna")
    assert fake.callers == [f"spiffe://watersmeet/finance/{name}" for name in ("local", "anna")]


def test_the_same_request_says_the_same_and_is_told_so(state: Path, fake: FakePeriods) -> None:
    again = ("periods", "close", "2019-09-05", "--request", "01991c00-0000-7000-8000-000000000000")
    assert run(state, *again).stdout == "Period 2019-09-05 is closing. Entry 9 says so.\n"
    assert "said so before" in run(state, *again).stdout
    assert json.loads(run(state, *again, "--json").stdout) == {
        "period": "2019-09-05",
        "state": "closing",
        "reopening_proposed_by": "",
        "reopening_entry": None,
        "sequence": 9,
        "replayed": True,
        "request_id": "01991c00-0000-7000-8000-000000000000",
    }
    assert fake.decided[0] == fake.decided[1] == fake.decided[2]
