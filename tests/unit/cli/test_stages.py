"""`watersmeet stages`: what it reads of a file, sends, and says of it."""

import json
import os
import uuid
from pathlib import Path

import grpc
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import life_service_pb2 as pb
from watersmeet.donations.v1 import life_service_pb2_grpc as pb_grpc
from watersmeet.errors.v1.errors_pb2 import ERROR_REASON_STAGE_CONFLICT, Problem

from services.runtime.errors import Fault, Reason
from tests.unit.cli.conftest import ServeMesh, caller_of, run

HEADER = "partner,external_id,stage,event_id,time\n"
TIME = "2019-09-05T12:00:00+08:00"
CONFLICTING, AWAY = "conflicting", "away"


class FakeLife(pb_grpc.LifeServiceServicer):
    """Takes every event but those whose gifts are named for what becomes of them."""

    def __init__(self) -> None:
        self.asked: list[pb.RecordStagesRequest] = []
        self.callers: set[str] = set()

    def RecordStages(
        self, request: pb.RecordStagesRequest, context: grpc.ServicerContext
    ) -> pb.RecordStagesResponse:
        self.asked.append(request)
        self.callers.add(caller_of(context))
        if any(event.external_id == AWAY for event in request.events):
            context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")
        return pb.RecordStagesResponse(
            results=[
                pb.StageResult(
                    outcome=intake_pb.OUTCOME_CONFLICTING,
                    problem=Problem(reason=ERROR_REASON_STAGE_CONFLICT, message="told otherwise"),
                )
                if event.external_id == CONFLICTING
                else pb.StageResult(outcome=intake_pb.OUTCOME_ACCEPTED)
                for event in request.events
            ]
        )


@pytest.fixture
def fake() -> FakeLife:
    return FakeLife()


@pytest.fixture
def state(serve_mesh: ServeMesh, fake: FakeLife) -> Path:
    """The state directory of a mesh with the fake for its intake."""
    return serve_mesh(donations=(pb_grpc.add_LifeServiceServicer_to_server, fake))


def file_of(folder: Path, *rows: str, header: str = HEADER) -> str:
    path = folder / "stages.csv"
    path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return str(path)


def test_a_file_is_sent_in_calls_of_a_thousand(state: Path, fake: FakeLife, tmp_path: Path) -> None:
    rows = [f"weibo,g-{n},Settled,bill-7/{n},{TIME}" for n in range(2_001)]
    result = run(state, "stages", file_of(tmp_path, *rows))
    assert result.exit_code == 0, result.exception
    assert result.stdout == "2,001 accepted.\n"
    assert [len(one.events) for one in fake.asked] == [1_000, 1_000, 1]
    assert len({uuid.UUID(one.request_id) for one in fake.asked}) == 3
    assert fake.callers == {"spiffe://watersmeet/finance/local"}
    event = fake.asked[0].events[5]
    assert (event.partner, event.external_id, event.event_id) == ("weibo", "g-5", "bill-7/5")
    assert event.stage == intake_pb.DONATION_STATE_SETTLED
    assert event.event_time.ToJsonString() == "2019-09-05T04:00:00Z"


def test_what_contradicts_the_books_is_named_by_its_line(state: Path, tmp_path: Path) -> None:
    rows = (f"weibo,g,spent,e,{TIME}", f"weibo,{CONFLICTING},received,e,{TIME}")
    file = file_of(tmp_path, *rows)
    assert "STAGE_CONFLICT" in run(state, "stages", file).stdout
    result = run(state, "stages", file, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "outcomes": {"accepted": 1, "conflicting": 1},
        "conflicts": [{"line": 3, "reason": "STAGE_CONFLICT", "message": "told otherwise"}],
    }


def test_what_was_not_sent_is_named_by_its_lines(
    state: Path, fake: FakeLife, tmp_path: Path
) -> None:
    rows = [f"weibo,{AWAY if n == 1_500 else n},spent,e,{TIME}" for n in range(1_600)]
    result = run(state, "stages", file_of(tmp_path, *rows))
    assert isinstance(result.exception, Fault)
    assert result.exception.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert "lines 1002 to 1601 are not known to be recorded" in result.exception.message
    assert len(fake.asked) == 2


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (f"weibo,g,claimed,e,{TIME}", "line 3: stage must be one of settled, received, spent"),
        ("weibo,g,spent,e,2019-09-05T12:00:00", "line 3: time must be ISO 8601 with its offset"),
        ("weibo,g,spent,e,yesterday", "line 3: time must be ISO 8601"),
        ("weibo,g,spent,e,0001-01-01T00:00:00+08:00", "line 3: time must be ISO 8601"),
        ("weibo,g,spent,e", "line 3: it has not as many cells"),
        (f"weibo,g,spent,e,{TIME},more", "line 3: it has not as many cells"),
        (f'weibo,"g"x,spent,e,{TIME}', "this is no CSV file in UTF-8"),
    ],
)
def test_a_file_with_a_line_that_states_nothing_is_not_sent(
    state: Path, fake: FakeLife, tmp_path: Path, row: str, told: str
) -> None:
    result = run(state, "stages", file_of(tmp_path, f"weibo,g,spent,e,{TIME}", row))
    assert isinstance(result.exception, Fault)
    assert told in result.exception.message
    assert fake.asked == []


def test_a_pipe_is_refused_as_it_cannot_be_read_twice(
    state: Path, fake: FakeLife, tmp_path: Path
) -> None:
    pipe = tmp_path / "stages.csv"
    os.mkfifo(pipe)
    result = run(state, "stages", str(pipe))
    assert isinstance(result.exception, Fault)
    assert "a pipe cannot be" in result.exception.message


def test_that_there_are_more_conflicts_is_said(state: Path, tmp_path: Path) -> None:
    rows = [f"weibo,{CONFLICTING},received,{n},{TIME}" for n in range(1_001)]
    result = run(state, "stages", file_of(tmp_path, *rows))
    assert result.exit_code == 1
    assert "No more than the first 1,000 conflicts are listed." in result.stdout


@pytest.mark.parametrize("header", ["", "partner,external_id,stage,time\n"])
def test_a_file_names_its_columns(state: Path, fake: FakeLife, tmp_path: Path, header: str) -> None:
    result = run(state, "stages", file_of(tmp_path, header=header))
    assert isinstance(result.exception, Fault)
    assert "line 1: it names no column" in result.exception.message


def test_a_file_of_another_encoding_is_told(state: Path, fake: FakeLife, tmp_path: Path) -> None:
    path = tmp_path / "stages.csv"
    path.write_bytes(HEADER.encode() + "weibo,慈善,spent,e,x\n".encode("gb18030"))
    result = run(state, "stages", str(path))
    assert isinstance(result.exception, Fault)
    assert "no CSV file in UTF-8" in result.exception.message
    assert fake.asked == []
