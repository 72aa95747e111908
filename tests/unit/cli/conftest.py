"""A mesh as commands see it: a state directory, and services of the test's making over mTLS."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from typer.testing import CliRunner, Result

from services.cli.main import build
from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority
from services.runtime.supervisor.state import MeshState, ServiceAddresses

ServeMesh = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width of the terminal that the tests were started in changes nothing."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def serve_mesh(tmp_path: Path) -> Iterator[ServeMesh]:
    """`serve_mesh(gateway=(add_…_to_server, servicer))` returns the state directory of a mesh."""
    authority = Authority(tmp_path / "certs")
    authority.issue(Caller(Role.OPERATOR, "local"))
    authority.issue(Caller(Role.FINANCE, "local"))
    with ExitStack() as stack:

        def serve(**services: tuple[Callable[[Any, grpc.Server], None], object]) -> Path:
            addresses = {}
            for name, (add_to_server, servicer) in services.items():
                server = grpc.server(ThreadPoolExecutor(2))
                add_to_server(servicer, server)
                files = authority.issue(Caller(Role.SERVICE, name))
                pair = (files.key_file.read_bytes(), files.certificate_file.read_bytes())
                credentials = grpc.ssl_server_credentials(
                    [pair], files.ca_file.read_bytes(), require_client_auth=True
                )
                port = server.add_secure_port("127.0.0.1:0", credentials)
                server.start()
                stack.callback(_stop, server)
                addresses[name] = ServiceAddresses(f"127.0.0.1:{port}", "127.0.0.1:1")
            MeshState(tmp_path, os.getpid(), "watersmeet", addresses).save()
            return tmp_path

        yield serve


def run(state: Path, *arguments: str, says: str = "") -> Result:
    """Runs a command against the mesh of a state directory. says: its standard input."""
    # With a second command, as the whole application has: one alone would be taken for all of it.
    application = build(["totals", arguments[0]])
    return CliRunner().invoke(application, [*arguments, "--state", str(state)], input=says)


def caller_of(context: grpc.ServicerContext) -> str:
    """The URI in the certificate of who calls."""
    names = cast("Iterable[bytes]", context.auth_context()["x509_subject_alternative_name"])
    return next(name.decode() for name in names if name.startswith(b"spiffe:"))


def _stop(server: grpc.Server) -> None:
    server.stop(0).wait()
