"""`watersmeet review`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from typer.testing import Result
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import review_service_pb2 as pb
from watersmeet.donations.v1 import review_service_pb2_grpc as pb_grpc
from watersmeet.errors.v1 import errors_pb2
from watersmeet.type.v1.money_pb2 import Money

from services.runtime.errors import Fault, Reason
from tests.unit.cli import conftest
from tests.unit.cli.conftest import ServeMesh, caller_of

NOON = datetime(2026, 9, 5, 12, tzinfo=UTC)
IDS = [f"{number:064x}" for number in range(3)]
PAGE = 2


def content(micros: int, **fields: object) -> pb.ReportedContent:
    found = pb.ReportedContent(amount=Money(currency_code="CNY", micros=micros), **fields)
    found.event_time.FromDatetime(NOON)
    return found


def conflict(external_id: str, **fields: object) -> pb.Conflict:
    found = pb.Conflict(
        partner="weibo",
        external_id=external_id,
        **{
            "reason": errors_pb2.ERROR_REASON_DONATION_CONFLICT,
            "claim": content(2_000_000, project="water"),
            **fields,
        },
    )
    found.received_time.FromDatetime(NOON)
    return found


class FakeReview(pb_grpc.ReviewServiceServicer):
    """Pages of two, whatever is asked for. The last notice is refused again."""

    def __init__(self) -> None:
        self.callers: set[str] = set()
        self.asked: list[object] = []
        self.request_ids: set[str] = set()
        self.away: set[str] = set()
        self.conflicts = [
            conflict("a", gift=content(1_000_000, project="water", campaign="week")),
            conflict("b", refund_id="r", refund=content(5_000_000, cumulative=True)),
            conflict("c"),
            conflict(
                "d",
                reason=errors_pb2.ERROR_REASON_CURRENCY_MISMATCH,
                refund_id="r",
                gift=content(3_000_000, project="water"),
                refund=content(2_000_000),
            ),
            conflict(
                "e",
                reason=errors_pb2.ERROR_REASON_RAIL_TAKEN,
                claim=pb.ReportedContent(rail="alipay", rail_id="t"),
                gift=content(3_000_000, project="water"),
            ),
            conflict(
                "f",
                reason=errors_pb2.ERROR_REASON_DISPUTE_CONFLICT,
                refund_id="s",
                claim=content(2_000_000, dispute=intake_pb.DISPUTE_STATUS_LOST),
                dispute=content(1_000_000, dispute=intake_pb.DISPUTE_STATUS_LOST),
            ),
            conflict(
                "g",
                reason=errors_pb2.ERROR_REASON_STAGE_CONFLICT,
                refund_id="l",
                claim=pb.ReportedContent(stage=intake_pb.DONATION_STATE_SPENT),
                stage=pb.ReportedContent(stage=intake_pb.DONATION_STATE_SETTLED),
            ),
        ]

    def ListConflicts(
        self, request: pb.ListConflictsRequest, context: grpc.ServicerContext
    ) -> pb.ListConflictsResponse:
        self._came(request, context)
        start = int(request.page_token or 0)
        end = start + min(PAGE, request.page_size)
        token = str(end) if end < len(self.conflicts) else ""
        return pb.ListConflictsResponse(conflicts=self.conflicts[start:end], next_page_token=token)

    def ListQuarantine(
        self, request: pb.ListQuarantineRequest, context: grpc.ServicerContext
    ) -> pb.ListQuarantineResponse:
        self._came(request, context)
        start = int(request.page_token or 0)
        end = start + min(PAGE, request.page_size)
        notices = [
            pb.QuarantinedNotice(
                id=name,
                platform="tencent",
                reason=errors_pb2.ERROR_REASON_SIGNATURE_INVALID,
                message="no such serial",
                body_bytes=700,
                replays=number,
                resolved=number == 1,
            )
            for number, name in enumerate(IDS)
        ]
        for notice in notices:
            notice.received_time.FromDatetime(NOON)
        token = str(end) if end < len(IDS) else ""
        return pb.ListQuarantineResponse(notices=notices[start:end], next_page_token=token)

    def ReplayQuarantine(
        self, request: pb.ReplayQuarantineRequest, context: grpc.ServicerContext
    ) -> pb.ReplayQuarantineResponse:
        self._came(request, context)
        if request.id in self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        self.request_ids.add(request.request_id)
        replay = pb.Replay(request_id=request.request_id, caller="finance/local")
        replay.replay_time.FromDatetime(NOON)
        if request.id == IDS[-1]:
            replay.problem.reason = errors_pb2.ERROR_REASON_SIGNATURE_INVALID
            replay.problem.message = "no such serial"
        else:
            replay.outcomes.append(intake_pb.OUTCOME_ACCEPTED)
        return pb.ReplayQuarantineResponse(replay=replay)

    def _came(self, request: object, context: grpc.ServicerContext) -> None:
        self.callers.add(caller_of(context))
        self.asked.append(type(request).FromString(request.SerializeToString()))  # type: ignore[attr-defined]


@pytest.fixture
def fake() -> FakeReview:
    return FakeReview()


@pytest.fixture
def state(serve_mesh: ServeMesh, fake: FakeReview) -> Path:
    return serve_mesh(donations=(pb_grpc.add_ReviewServiceServicer_to_server, fake))


def run(state: Path, command: str, *arguments: str) -> Result:
    result = conftest.run(state, "review", command, *arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def cells(result: Result) -> list[list[str]]:
    lines = [line for line in result.output.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_conflicts_stand_beside_what_is_recorded(state: Path, fake: FakeReview) -> None:
    rows = cells(run(state, "conflicts", "--partner", "weibo"))
    time = "2026-09-05 12:00:00Z"
    claim, reason = "CNY 2.00 water", "DONATION_CONFLICT"
    assert rows == [
        [time, "weibo", "a", "", claim, "CNY 1.00 water week", reason],
        [time, "weibo", "b", "r", claim, "CNY 5.00 in all", reason],
        [time, "weibo", "c", "", claim, "", reason],
        # The refund that is kept says the same as the claim: what they contradict is the gift.
        [time, "weibo", "d", "r", claim, "CNY 3.00 water", "CURRENCY_MISMATCH"],
        [time, "weibo", "e", "", "paid on alipay t", "CNY 3.00 water", "RAIL_TAKEN"],
        [time, "weibo", "f", "s", "CNY 2.00 lost", "CNY 1.00 lost", "DISPUTE_CONFLICT"],
        [time, "weibo", "g", "l", "spent", "settled", "STAGE_CONFLICT"],
    ]
    assert fake.callers == {"spiffe://watersmeet/finance/local"}
    assert {request.partner for request in fake.asked} == {"weibo"}  # type: ignore[attr-defined]


def test_a_limit_asks_for_no_more(state: Path, fake: FakeReview) -> None:
    assert len(cells(run(state, "conflicts", "--limit", "1"))) == 1
    assert len(cells(run(state, "quarantine", "--limit", "2"))) == 2 * 2
    assert len(fake.asked) == 2


def test_conflicts_for_programs(state: Path) -> None:
    document = json.loads(run(state, "conflicts", "--json").output)
    first, second, third, _, of_rail, of_dispute, of_stage = document["conflicts"]
    assert first["claim"] == {
        "micros": "2000000",
        "currency": "CNY",
        "project": "water",
        "campaign": "",
        "event_time": "2026-09-05T12:00:00Z",
        "cumulative": False,
        "paid_micros": None,
        "pledge": "",
        "rail": "",
        "rail_id": "",
        "dispute": None,
        "stage": None,
    }
    assert (first["gift"]["micros"], first["refund"], first["donor_differs"]) == (
        "1000000",
        None,
        False,
    )
    assert (second["refund_id"], second["refund"]["cumulative"]) == ("r", True)
    assert (third["gift"], third["recorded_time"]) == (None, None)
    claim = of_rail["claim"]
    assert (claim["micros"], claim["event_time"]) == (None, None)
    assert (claim["rail"], claim["rail_id"]) == ("alipay", "t")
    assert (of_dispute["claim"]["dispute"], of_dispute["dispute"]["micros"]) == ("lost", "1000000")
    assert (of_stage["claim"]["stage"], of_stage["stage"]["stage"]) == ("spent", "settled")


def test_quarantine_is_listed_without_contents(state: Path, fake: FakeReview) -> None:
    rows = cells(run(state, "quarantine", "--platform", "tencent", "--all"))
    first, reason = "2026-09-05 12:00:00Z tencent", "SIGNATURE_INVALID"
    assert rows == [
        [first, IDS[0]],
        [reason, ""],
        [first, IDS[1]],
        [f"{reason}, replayed 1×, taken in", ""],
        [first, IDS[2]],
        [f"{reason}, replayed 2×", ""],
    ]
    assert fake.asked[0] == pb.ListQuarantineRequest(
        platform="tencent", include_resolved=True, page_size=100
    )
    [notice, *_] = json.loads(run(state, "quarantine", "--json").output)["notices"]
    assert notice == {
        "id": IDS[0],
        "platform": "tencent",
        "reason": "SIGNATURE_INVALID",
        "message": "no such serial",
        "received_time": "2026-09-05T12:00:00Z",
        "body_bytes": 700,
        "resolved": False,
        "replays": 0,
    }


def test_quarantine_goes_to_a_sheet(state: Path) -> None:
    first, second, _ = run(state, "quarantine", "--csv").stdout.splitlines()[1:]
    assert first == (
        f"2026-09-05T12:00:00Z,tencent,SIGNATURE_INVALID,no such serial,700,0,no,{IDS[0]}"
    )
    assert second.endswith(f",1,yes,{IDS[1]}")


def test_notices_are_replayed_by_name(state: Path, fake: FakeReview) -> None:
    result = run(state, "replay", *IDS[:2])
    assert cells(result) == [[IDS[0], "accepted", ""], [IDS[1], "accepted", ""]]
    assert result.exit_code == 0
    assert len(fake.request_ids) == 2


def test_a_platforms_open_notices_are_replayed_and_a_refusal_is_status_1(state: Path) -> None:
    result = run(state, "replay", "--platform", "tencent", "--json")
    assert result.exit_code == 1
    replays = json.loads(result.output)["replays"]
    assert [replay["id"] for replay in replays] == IDS
    assert (replays[0]["outcomes"], replays[0]["reason"]) == (["accepted"], None)
    assert (replays[2]["outcomes"], replays[2]["reason"]) == ([], "SIGNATURE_INVALID")


def test_what_was_replayed_before_a_call_failed_is_told(state: Path, fake: FakeReview) -> None:
    fake.away.add(IDS[1])
    result = conftest.run(state, "review", "replay", *IDS)
    assert isinstance(result.exception, Fault)
    assert result.exception.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert cells(result) == [[IDS[0], "accepted", ""]]
    fake.away.add(IDS[0])
    assert conftest.run(state, "review", "replay", *IDS).stdout == ""


@pytest.mark.parametrize("arguments", [(), (IDS[0], "--platform", "tencent")])
def test_what_to_replay_is_named_in_one_way(state: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(Fault) as caught:
        run(state, "replay", *arguments)
    assert caught.value.reason is Reason.FIELD_REQUIRED


def test_nothing_is_said_so(state: Path, fake: FakeReview) -> None:
    fake.conflicts = []
    assert run(state, "conflicts").output.strip() == "Nothing there."


def test_an_id_is_no_markup_and_no_formula(state: Path, fake: FakeReview) -> None:
    fake.conflicts = [conflict("=[/]")]
    assert "=[/]" in run(state, "conflicts").output
    assert ",'=[/]," in run(state, "conflicts", "--csv").output
