"""The ledger's log over HTTP, for anyone: passed on as the ledger answers, or said why not."""

from typing import Any

import pytest
from watersmeet.ledger.v1 import log_service_pb2 as pb
from watersmeet.ledger.v1 import log_service_pb2_grpc as pb_grpc

from services.runtime.errors import Fault, Reason
from tests.integration.gateway.conftest import Mesh, StartMesh

NOTE = (
    "example.com/ledger\n9\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n"
    "— example.com/ledger x=\n"
)
NINE = pb.SignedCheckpoint(size=9, note=NOTE)
FIVE = pb.SignedCheckpoint(size=5, note="five")


class FakeLog(pb_grpc.LogServiceServicer):
    """A log with two checkpoints."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.fault: Fault | None = None

    def _ask(self, request: Any) -> None:
        self.asked.append(request)
        if self.fault is not None:
            raise self.fault

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, context: object
    ) -> pb.GetCheckpointResponse:
        self._ask(request)
        if request.size not in (0, 5, 9):
            raise Fault(Reason.CHECKPOINT_NOT_FOUND, "no checkpoint was signed there")
        return pb.GetCheckpointResponse(checkpoint=FIVE if request.size == 5 else NINE)

    async def ListCheckpoints(
        self, request: pb.ListCheckpointsRequest, context: object
    ) -> pb.ListCheckpointsResponse:
        self._ask(request)
        return pb.ListCheckpointsResponse(checkpoints=[FIVE, NINE], next_page_token="x")

    async def ListLogKeys(
        self, request: pb.ListLogKeysRequest, context: object
    ) -> pb.ListLogKeysResponse:
        self._ask(request)
        return pb.ListLogKeysResponse(verifier_keys=["a+1+b", "c+2+d"])

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, context: object
    ) -> pb.GetInclusionProofResponse:
        self._ask(request)
        return pb.GetInclusionProofResponse(
            sequence=request.sequence, entry_hash=b"\1\2", hashes=[b"\3", b"\4"], checkpoint=NINE
        )

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, context: object
    ) -> pb.GetConsistencyProofResponse:
        self._ask(request)
        return pb.GetConsistencyProofResponse(hashes=[b"\3"], first=FIVE, second=NINE)


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()  # type: ignore[abstract]  # the rest is UNIMPLEMENTED


@pytest.fixture
async def mesh(start_mesh: StartMesh, log: FakeLog) -> Mesh:
    return await start_mesh(log=log)


async def get(mesh: Mesh, path: str) -> tuple[int, Any, str]:
    """Status, body and Cache-Control."""
    http = await mesh.http()
    async with http.get(path) as answer:
        is_json = answer.content_type == "application/json"
        body = await answer.json() if is_json else await answer.text()
        return answer.status, body, answer.headers["Cache-Control"]


async def test_checkpoints_are_passed_on_to_the_byte(mesh: Mesh, log: FakeLog) -> None:
    assert await get(mesh, "/v1/log/checkpoint") == (200, NOTE, "public, max-age=1")
    status, body, cache = await get(mesh, "/v1/log/checkpoint/5")
    assert (status, body) == (200, "five")
    assert "immutable" in cache
    status, body, _ = await get(mesh, "/v1/log/checkpoints?after=3")
    assert log.asked[-1].after_size == 3
    assert body == {
        "checkpoints": [{"size": 5, "note": "five"}, {"size": 9, "note": NOTE}],
        "more": True,
    }
    assert await get(mesh, "/v1/log/keys") == (200, "a+1+b\nc+2+d\n", "public, max-age=1")


async def test_many_who_ask_for_the_latest_ask_the_ledger_once(mesh: Mesh, log: FakeLog) -> None:
    for _ in range(20):
        assert (await get(mesh, "/v1/log/checkpoint"))[0] == 200
    assert len(log.asked) <= 3


async def test_proofs_are_json(mesh: Mesh, log: FakeLog) -> None:
    status, body, _ = await get(mesh, "/v1/log/inclusion?entry=4&size=9")
    assert status == 200
    assert body == {
        "sequence": 4,
        "leaf_index": 3,
        "entry_hash": "0102",
        "hashes": ["Aw==", "BA=="],
        "checkpoint": NOTE,
    }
    status, body, _ = await get(mesh, "/v1/log/consistency?first=5&second=9")
    assert (log.asked[-1].first_size, log.asked[-1].second_size) == (5, 9)
    assert body == {"hashes": ["Aw=="], "first": "five", "second": NOTE}


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/v1/log/checkpoint/7", 404, "CHECKPOINT_NOT_FOUND"),
        ("/v1/log/checkpoint/x", 404, "FIELD_INVALID"),
        ("/v1/log/checkpoint/9999999999999999999", 404, "CHECKPOINT_NOT_FOUND"),
        ("/v1/log/checkpoint?size=5", 400, "FIELD_INVALID"),
        ("/v1/log/inclusion", 400, "FIELD_REQUIRED"),
        ("/v1/log/inclusion?entry=x", 400, "FIELD_INVALID"),
        ("/v1/log/inclusion?entry=-1", 400, "FIELD_INVALID"),
        ("/v1/log/inclusion?entry=1&sise=5", 400, "FIELD_INVALID"),
        ("/v1/log/inclusion?entry=" + "9" * 5_000, 400, "FIELD_INVALID"),
        ("/v1/log/consistency?first=99999999999999999999", 400, "FIELD_INVALID"),
    ],
)
async def test_what_is_asked_wrongly_is_told(
    mesh: Mesh, path: str, status: int, reason: str
) -> None:
    found, body, _ = await get(mesh, path)
    assert (found, body["reason"]) == (status, reason)


async def test_faults_of_the_ledger_are_passed_on(mesh: Mesh, log: FakeLog) -> None:
    for reason, status in (
        (Reason.ENTRY_NOT_FOUND, 404),
        (Reason.ENTRY_NOT_IN_LOG, 404),
        (Reason.FIELD_INVALID, 400),
        (Reason.DEPENDENCY_UNAVAILABLE, 503),
    ):
        log.fault = Fault(reason, "canary of the inside")
        found, body, _ = await get(mesh, "/v1/log/inclusion?entry=1")
        assert (found, body["reason"]) == (status, reason.value)
        assert ("canary" in body["message"]) == (status != 503)


async def test_a_ledger_that_is_away_is_said(mesh: Mesh) -> None:
    await mesh.fakes.stop_ledger()
    found, body, _ = await get(mesh, "/v1/log/keys")
    assert found == 503
    assert body["message"] == "the log cannot be read now; ask again"
