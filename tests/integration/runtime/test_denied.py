"""A certificate that is withdrawn before its time, over real mutual TLS."""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY
from watersmeet.gateway.v1 import totals_service_pb2 as totals_pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as totals_grpc

from services.runtime import denied
from services.runtime.denied import DeniedFileError
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role
from services.runtime.server import Server
from services.runtime.status import code_of, fault_from_rpc_error
from tests.integration.runtime.conftest import Connect, Log, MakeServer, Serve
from tests.integration.runtime.servicers import Totals
from tests.support.identities import Certificates

TIMEOUT_S = 10
_FOR_EVER_S = 3_600.0
WEIBO = Caller(Role.PARTNER, "weibo")


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denied, "LOOK_S", 0.02)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "denied.txt"
    write(found, "# nobody yet\n")
    return found


def write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


@pytest.fixture
async def server(serve: Serve, file: Path) -> Server:
    return await serve(totals=Totals(), denied_certificates_file=file)


def fingerprint(certificates: Certificates) -> str:
    """Of weibo's certificate as it is now, as openssl prints it."""
    pem = certificates.authority.issue(WEIBO).certificate_file.read_bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    return f"sha256 Fingerprint={sha256(der).digest().hex(':').upper()}"


def metric(name: str) -> float:
    return REGISTRY.get_sample_value(f"watersmeet_denied_{name}") or 0.0


async def answer_of(channel: grpc.aio.Channel) -> Fault | None:
    """What a call is told; None if it is answered."""
    try:
        stub = totals_grpc.TotalsServiceStub(channel)
        await stub.GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        return fault_from_rpc_error(error)
    return None


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not await holds():  # noqa: ASYNC110  nobody there can tell us
            await asyncio.sleep(0.02)


async def test_a_withdrawn_certificate_is_turned_away_on_a_connection_that_stands(
    server: Server, connect: Connect, certificates: Certificates, file: Path
) -> None:
    weibo, tencent = (connect(server, "partner", name) for name in ("weibo", "tencent"))
    assert await answer_of(weibo) is None
    refused = metric("calls_total")
    write(file, fingerprint(certificates))
    await until(lambda: _refused(weibo))
    fault = await answer_of(weibo)
    assert fault is not None
    assert (fault.reason, code_of(fault.reason)) == (
        Reason.CERTIFICATE_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
    )
    assert metric("calls_total") == refused + 2
    assert metric("certificates") == 1
    assert await answer_of(tencent) is None
    # The same partner with another certificate is as good as before.
    certificates.authority.issue(WEIBO, renew=True)
    assert await answer_of(connect(server, "partner", "weibo")) is None
    write(file, "")
    await until(lambda: _answered(weibo))


async def test_its_streams_are_ended(
    serve: Serve, connect: Connect, certificates: Certificates, file: Path
) -> None:
    server = await serve(totals=Totals(_FOR_EVER_S), denied_certificates_file=file)
    totals = [
        totals_grpc.TotalsServiceStub(connect(server, "partner", name))
        for name in ("weibo", "tencent")
    ]
    weibo, tencent = (stub.WatchTotals(totals_pb.WatchTotalsRequest()) for stub in totals)
    for watch in (weibo, tencent):
        for _ in range(3):
            await watch.read()
    write(file, fingerprint(certificates))
    async with asyncio.timeout(TIMEOUT_S):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await weibo.read()
    assert fault_from_rpc_error(ended.value).reason is Reason.CERTIFICATE_DENIED
    assert not tencent.done()
    tencent.cancel()


async def test_its_watch_of_health_is_ended(
    server: Server, connect: Connect, certificates: Certificates, file: Path, log: Log
) -> None:
    """Which is a stream as any other, although it is nothing to wait for at a stop."""
    watch = health_pb2_grpc.HealthStub(connect(server, "partner", "weibo")).Watch(
        health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S
    )
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    write(file, fingerprint(certificates))
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await watch.read()
    assert fault_from_rpc_error(ended.value).reason is Reason.CERTIFICATE_DENIED
    line = await log.line("call")
    assert (line["caller"], line["reason"]) == ("partner/weibo", "CERTIFICATE_DENIED")


async def test_a_file_with_a_fault_changes_nothing(
    server: Server, connect: Connect, certificates: Certificates, file: Path
) -> None:
    weibo = connect(server, "partner", "weibo")
    write(file, fingerprint(certificates))
    await until(lambda: _refused(weibo))
    for spoil in (lambda: write(file, "weibo"), file.unlink):
        spoil()
        await until(lambda: _reads(1))
        assert await answer_of(weibo) is not None
        write(file, f"{fingerprint(certificates)} # again")
        await until(lambda: _reads(0))
    assert await answer_of(weibo) is not None


async def test_a_file_that_could_not_be_read_is_tried_again(
    server: Server,
    connect: Connect,
    certificates: Certificates,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its rights may be mended, or what failed may be over, without another word in it."""
    weibo = connect(server, "partner", "weibo")

    def fails(file: Path) -> frozenset[bytes]:
        raise DeniedFileError(f"{file} cannot be read")

    with monkeypatch.context() as patched:
        patched.setattr(denied, "read_fingerprints", fails)
        write(file, fingerprint(certificates))
        await until(lambda: _reads(1))
        assert await answer_of(weibo) is None
    await until(lambda: _refused(weibo))


async def test_a_file_with_a_fault_ends_the_service_at_its_start(
    make_server: MakeServer, file: Path
) -> None:
    write(file, "weibo")
    with pytest.raises(DeniedFileError, match="line 1"):
        make_server(denied_certificates_file=file)


async def _refused(channel: grpc.aio.Channel) -> bool:
    return await answer_of(channel) is not None


async def _answered(channel: grpc.aio.Channel) -> bool:
    return await answer_of(channel) is None


async def _reads(unread: int) -> bool:
    return metric("certificates_unread") == unread
