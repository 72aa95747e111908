"""Which mesh commands ask and as whom: by the file of one elsewhere, as one's own certificate."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from typer.testing import CliRunner
from watersmeet.ledger.v1 import period_service_pb2 as pb
from watersmeet.ledger.v1 import period_service_pb2_grpc as pb_grpc

from services.cli.main import build
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority
from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.state import MeshState
from tests.unit.cli.conftest import ServeMesh, caller_of, run

CLOSE = ("periods", "close", "2019-09-05", "--json")


class FakePeriods(pb_grpc.PeriodServiceServicer):
    """Keeps who decided."""

    def __init__(self) -> None:
        self.callers: list[str] = []

    def DecidePeriod(
        self, request: pb.DecidePeriodRequest, context: grpc.ServicerContext
    ) -> pb.DecidePeriodResponse:
        self.callers.append(caller_of(context))
        period = pb.Period(name=request.period, state=pb.PERIOD_STATE_CLOSED)
        if request.action == pb.PERIOD_ACTION_PROPOSE_REOPENING:
            period.reopening_proposed_by = "finance/anna"
        return pb.DecidePeriodResponse(period=period, sequence=7)


def ledger(
    fake: FakePeriods, *, writes: bool | None = None
) -> tuple[Callable[[Any, grpc.Server], None], object]:
    """A ledger that says whether it writes; None: it says nothing of its health."""

    def add(servicer: FakePeriods, server: grpc.Server) -> None:
        pb_grpc.add_PeriodServiceServicer_to_server(servicer, server)
        if writes is not None:
            status = health_pb2.HealthCheckResponse
            answers: Any = health.HealthServicer()
            answers.set("writer", status.SERVING if writes else status.NOT_SERVING)
            health_pb2_grpc.add_HealthServicer_to_server(answers, server)

    return add, fake


def mesh_file(state: Path, *addresses: str, caller: str = "finance/anna") -> Path:
    """The file of the mesh in a state directory, for somebody with a certificate of its."""
    role, _, name = caller.partition("/")
    files = Authority(state / "certs").issue(Caller(Role(role), name))
    file = state / "mesh.toml"
    file.write_text(
        f"""
authority = "{files.ca_file}"
certificate = "certs/{files.certificate_file.name}"
key = "certs/{files.key_file.name}"
[addresses]
ledger = "{", ".join(addresses)}"
""",
        encoding="utf-8",
    )
    return file


def test_one_asks_as_ones_own_certificate_says(
    serve_mesh: ServeMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakePeriods()
    state = serve_mesh(ledger=ledger(fake))
    file = mesh_file(state, MeshState.load(state).address("ledger"))
    application = build(["totals", "periods"])
    monkeypatch.setenv("WATERSMEET_STATE_DIR", str(state))
    monkeypatch.setenv("WATERSMEET_MESH", str(file))
    for words in ((), ("--mesh", str(file)), ("--as", "anna"), ("--state", str(state))):
        result = CliRunner().invoke(application, [*CLOSE, *words])
        assert result.exit_code == 0, result.exception
        assert json.loads(result.stdout)["state"] == "closed"
    anna, local = (f"spiffe://watersmeet/finance/{name}" for name in ("anna", "local"))
    assert fake.callers == [anna, anna, anna, local]


@pytest.mark.parametrize("caller", ["finance/anna", "operator/bob"])
def test_another_than_the_certificates_person_is_refused(
    serve_mesh: ServeMesh, caller: str
) -> None:
    fake = FakePeriods()
    state = serve_mesh(ledger=ledger(fake))
    file = mesh_file(state, MeshState.load(state).address("ledger"), caller=caller)
    result = run(file, *CLOSE, "--as", "bob")
    assert isinstance(result.exception, MeshError)
    assert "--as bob asks as finance/bob" in str(result.exception)
    assert f"is of {caller};" in str(result.exception)
    assert fake.callers == []


def test_who_approves_elsewhere_has_a_file_of_their_own(serve_mesh: ServeMesh) -> None:
    state = serve_mesh(ledger=ledger(FakePeriods()))
    file = mesh_file(state, MeshState.load(state).address("ledger"))
    for mesh, words in ((state, "2019-09-05 --approve --as NAME"), (file, "2019-09-05 --approve")):
        told = run(mesh, "periods", "reopen", "2019-09-05").stdout
        assert told.rstrip().endswith(f"watersmeet periods reopen {words}")


def test_of_several_ledgers_the_one_that_writes_is_asked(serve_mesh: ServeMesh) -> None:
    standby, writer = FakePeriods(), FakePeriods()
    state = serve_mesh(standby=ledger(standby, writes=False), writer=ledger(writer, writes=True))
    addresses = [MeshState.load(state).address(name) for name in ("standby", "writer")]
    result = run(mesh_file(state, "127.0.0.1:1", *addresses), *CLOSE)
    assert result.exit_code == 0, result.exception
    assert (len(standby.callers), len(writer.callers)) == (0, 1)


@pytest.mark.parametrize("writes", [False, None])
def test_without_a_writer_the_first_that_answers_is_asked(
    serve_mesh: ServeMesh, writes: bool | None
) -> None:
    first, second = FakePeriods(), FakePeriods()
    state = serve_mesh(first=ledger(first, writes=writes), second=ledger(second, writes=False))
    addresses = [MeshState.load(state).address(name) for name in ("first", "second")]
    result = run(mesh_file(state, "127.0.0.1:1", *addresses), *CLOSE)
    assert result.exit_code == 0, result.exception
    assert (len(first.callers), len(second.callers)) == (1, 0)


@pytest.mark.parametrize("addresses", [("127.0.0.1:1",), ("127.0.0.1:1", "localhost:2")])
def test_a_mesh_that_does_not_answer_is_told_with_its_addresses(
    tmp_path: Path, addresses: tuple[str, ...]
) -> None:
    result = run(mesh_file(tmp_path, *addresses), *CLOSE)
    assert isinstance(result.exception, Fault)
    assert result.exception.reason is Reason.DEPENDENCY_UNAVAILABLE
    message = result.exception.message
    assert message.startswith("ledger at ")
    assert all(f"at {one}: the service cannot be reached" in message for one in addresses)


@pytest.mark.parametrize("spare", [(), ("localhost:2",)])
def test_a_mesh_of_another_authority_is_told(
    serve_mesh: ServeMesh, tmp_path: Path, spare: tuple[str, ...]
) -> None:
    fake = FakePeriods()
    state = serve_mesh(ledger=ledger(fake))
    address = MeshState.load(state).address("ledger")
    (tmp_path / "other").mkdir()
    result = run(mesh_file(tmp_path / "other", address, *spare), *CLOSE)
    assert isinstance(result.exception, Fault)
    assert result.exception.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert f"ledger at {address}: the server is not believed" in result.exception.message
    assert fake.callers == []


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = run(tmp_path / "mesh.toml", *CLOSE)
    assert isinstance(result.exception, MeshError)
    assert str(result.exception).endswith("mesh.toml cannot be read: No such file or directory")
