"""Who gets in, with what, and what those outside are told."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as intake_grpc
from watersmeet.gateway.v1 import totals_service_pb2 as totals_pb
from watersmeet.gateway.v1 import totals_service_pb2_grpc as totals_grpc

from services.runtime.call import Call, current_call
from services.runtime.channel import MESSAGE_BYTES_MAX, TRANSPORT_BYTES_MAX
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role
from services.runtime.server import Server
from services.runtime.status import fault_from_rpc_error
from tests.integration.runtime.conftest import Connect, Serve
from tests.integration.runtime.servicers import IdleIntake, IdleTotals
from tests.support.identities import Certificates

TIMEOUT_S = 10


class Intake(IdleIntake):
    """Remembers the calls that reached it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def RecordDonation(self, request: Any, context: Any) -> Any:
        self.calls.append(current_call())
        return intake_pb.RecordDonationResponse(outcome=intake_pb.OUTCOME_ACCEPTED)

    async def GetDonation(self, request: Any, context: Any) -> Any:
        self.calls.append(current_call())
        return intake_pb.GetDonationResponse()


@pytest.fixture
def intake() -> Intake:
    return Intake()


@pytest.fixture
async def server(serve: Serve, intake: Intake) -> Server:
    return await serve(intake=intake)


def intake_stub(channel: grpc.aio.Channel) -> "intake_grpc.DonationIntakeServiceAsyncStub":
    return intake_grpc.DonationIntakeServiceStub(channel)


async def test_a_partner_is_known_by_its_certificate(
    server: Server, connect: Connect, intake: Intake
) -> None:
    request_id = str(uuid4())
    response = await intake_stub(connect(server, "partner", "alipay")).RecordDonation(
        intake_pb.RecordDonationRequest(request_id=request_id), timeout=TIMEOUT_S
    )
    assert response.outcome == intake_pb.OUTCOME_ACCEPTED
    method = "/watersmeet.donations.v1.DonationIntakeService/RecordDonation"
    assert intake.calls == [Call(method, Caller(Role.PARTNER, "alipay"), request_id)]


async def test_a_request_without_the_field_takes_its_id_from_metadata(
    server: Server, connect: Connect, intake: Intake
) -> None:
    stub = intake_stub(connect(server, "partner", "alipay"))
    request = intake_pb.GetDonationRequest()
    request_id = str(uuid4())
    echoed = []
    for stated in (request_id, "no uuid", ""):
        metadata = (("x-request-id", stated),) if stated else ()
        call = stub.GetDonation(request, timeout=TIMEOUT_S, metadata=metadata)
        await call
        echoed.append(dict(tuple(await call.trailing_metadata()))["x-request-id"])
    ids = [call.request_id for call in intake.calls]
    assert echoed == ids
    assert ids[0] == request_id
    assert len(set(ids)) == 3
    assert "no uuid" not in ids


@pytest.mark.parametrize("request_id", ["", "1", "not-a-uuid"])
async def test_a_request_id_is_required(
    server: Server, connect: Connect, intake: Intake, request_id: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await intake_stub(connect(server, "partner", "alipay")).RecordDonation(
            intake_pb.RecordDonationRequest(request_id=request_id), timeout=TIMEOUT_S
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fault_from_rpc_error(caught.value).reason is Reason.REQUEST_ID_INVALID
    assert intake.calls == []


async def test_what_is_not_granted_is_denied(server: Server, connect: Connect) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await intake_stub(connect(server, "partner", "alipay")).AcceptNotification(
            intake_pb.AcceptNotificationRequest(), timeout=TIMEOUT_S
        )
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    fault = fault_from_rpc_error(caught.value)
    assert fault.reason is Reason.PERMISSION_DENIED
    assert "partner/alipay" in fault.message


async def test_a_method_that_does_not_exist_is_unimplemented(
    server: Server, connect: Connect
) -> None:
    channel = connect(server, "operator", "local")
    undo: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        "/watersmeet.donations.v1.DonationIntakeService/Undo"
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await undo(b"", timeout=TIMEOUT_S)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_refused(
    server: Server, connect: Connect, intake: Intake
) -> None:
    stub = intake_stub(connect(server, "partner", "alipay"))
    request = intake_pb.RecordDonationRequest(request_id=str(uuid4()))
    request.donor_reference = "x" * (MESSAGE_BYTES_MAX - request.ByteSize() - 8)
    while request.ByteSize() < MESSAGE_BYTES_MAX:
        request.donor_reference += "x"
    assert request.ByteSize() == MESSAGE_BYTES_MAX
    await stub.RecordDonation(request, timeout=TIMEOUT_S)
    request.donor_reference += "x"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.RecordDonation(request, timeout=TIMEOUT_S)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert fault_from_rpc_error(caught.value).reason is Reason.MESSAGE_TOO_LARGE
    assert len(intake.calls) == 1


async def test_a_message_that_the_transport_refuses_is_too_large_as_well(
    server: Server, certificates: Certificates
) -> None:
    credentials = certificates.channel_credentials("partner", "alipay")
    options = (("grpc.max_send_message_length", -1),)
    async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials, options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await intake_stub(channel).RecordDonation(
                intake_pb.RecordDonationRequest(donor_reference="x" * TRANSPORT_BYTES_MAX),
                timeout=TIMEOUT_S,
            )
    assert fault_from_rpc_error(caught.value).reason is Reason.MESSAGE_TOO_LARGE


async def test_a_message_of_another_type_is_refused(server: Server, connect: Connect) -> None:
    channel = connect(server, "partner", "alipay")
    undo: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        "/watersmeet.donations.v1.DonationIntakeService/RecordDonation"
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await undo(b"\xff\xff\xff", timeout=TIMEOUT_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fault_from_rpc_error(caught.value).metadata == {"field": "request"}


def certificate_with(
    certificates: Certificates, directory: Path, names: list[x509.GeneralName]
) -> grpc.ChannelCredentials:
    """A certificate of the right authority, with these names in it."""
    authority_files = certificates.settings_for("service", "gateway")
    folder = authority_files["ca_file"].parent
    authority_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partner/alipay")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(authority_key, hashes.SHA256())
    return grpc.ssl_channel_credentials(
        (folder / "ca.crt").read_bytes(),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        certificate.public_bytes(serialization.Encoding.PEM),
    )


ALIPAY = "spiffe://watersmeet/partner/alipay"


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([], id="no names"),
        pytest.param([x509.DNSName("localhost")], id="a host"),
        pytest.param([x509.DNSName(ALIPAY)], id="a host called like a URI"),
        pytest.param([x509.UniformResourceIdentifier("https://alipay.example")], id="another URI"),
        pytest.param(
            [x509.UniformResourceIdentifier("spiffe://elsewhere/partner/alipay")],
            id="another trust domain",
        ),
        pytest.param(
            [
                x509.UniformResourceIdentifier(ALIPAY),
                x509.UniformResourceIdentifier("spiffe://watersmeet/partner/tencent"),
            ],
            id="two identities",
        ),
    ],
)
async def test_a_certificate_without_an_identity_is_told_so(
    server: Server,
    certificates: Certificates,
    tmp_path: Path,
    names: list[x509.GeneralName],
    intake: Intake,
) -> None:
    credentials = certificate_with(certificates, tmp_path, names)
    async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await intake_stub(channel).RecordDonation(
                intake_pb.RecordDonationRequest(request_id=str(uuid4())), timeout=TIMEOUT_S
            )
        with pytest.raises(grpc.aio.AioRpcError) as health:
            await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S
            )
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert fault_from_rpc_error(caught.value).reason is Reason.IDENTITY_UNKNOWN
    assert fault_from_rpc_error(health.value).reason is Reason.IDENTITY_UNKNOWN
    assert intake.calls == []


async def test_an_identity_among_hosts_is_found(
    server: Server, certificates: Certificates, tmp_path: Path, intake: Intake
) -> None:
    names = [x509.DNSName("alipay.example"), x509.UniformResourceIdentifier(ALIPAY)]
    credentials = certificate_with(certificates, tmp_path, names)
    async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as channel:
        await intake_stub(channel).RecordDonation(
            intake_pb.RecordDonationRequest(request_id=str(uuid4())), timeout=TIMEOUT_S
        )
    assert [str(call.caller) for call in intake.calls] == ["partner/alipay"]


@pytest.mark.parametrize("which", ["none", "another authority's"])
async def test_tls_lets_no_stranger_in(
    server: Server,
    certificates: Certificates,
    foreign_certificates: Certificates,
    intake: Intake,
    which: str,
) -> None:
    """No status can reach them; what they see at least sends them to their certificate."""
    ca = certificates.settings_for("partner", "alipay")["ca_file"].read_bytes()
    if which == "none":
        credentials = grpc.ssl_channel_credentials(ca)
    else:
        foreign = foreign_certificates.settings_for("partner", "alipay")
        credentials = grpc.ssl_channel_credentials(
            ca, foreign["key_file"].read_bytes(), foreign["certificate_file"].read_bytes()
        )
    async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await intake_stub(channel).RecordDonation(
                intake_pb.RecordDonationRequest(request_id=str(uuid4())), timeout=TIMEOUT_S
            )
    fault = fault_from_rpc_error(caught.value)
    assert fault.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert "certificate is missing, expired or of another authority" in fault.message
    assert intake.calls == []


async def test_a_client_does_not_trust_a_foreign_server(
    server: Server, foreign_certificates: Certificates
) -> None:
    credentials = foreign_certificates.channel_credentials("partner", "alipay")
    async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await intake_stub(channel).RecordDonation(
                intake_pb.RecordDonationRequest(request_id=str(uuid4())), timeout=TIMEOUT_S
            )
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "certificate" in fault_from_rpc_error(caught.value).message


async def test_more_calls_than_may_be_are_told_to_wait(serve: Serve, connect: Connect) -> None:
    class Totals(IdleTotals):
        async def GetTotals(self, request: Any, context: Any) -> Any:
            raise Fault(Reason.TOTALS_NOT_READY, "wait")

        async def WatchTotals(self, request: Any, context: Any) -> Any:
            yield totals_pb.WatchTotalsResponse(cursor="1")
            await asyncio.Event().wait()

    server = await serve(totals=Totals(), max_concurrent_calls=1)
    stub = totals_grpc.TotalsServiceStub(connect(server, "partner", "alipay"))
    watch = stub.WatchTotals(totals_pb.WatchTotalsRequest(), timeout=TIMEOUT_S)
    async for _ in watch:
        break
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetTotals(totals_pb.GetTotalsRequest(), timeout=TIMEOUT_S)
    fault = fault_from_rpc_error(caught.value)
    assert fault.reason is Reason.QUEUE_FULL
    assert fault.retry_after is not None
    assert fault.retry_after > 0
    watch.cancel()


async def test_watches_of_health_are_bounded_and_keep_no_call_out(
    serve: Serve, connect: Connect
) -> None:
    server = await serve(intake=Intake(), max_concurrent_calls=1)
    channel = connect(server, "partner", "alipay")
    stub = health_pb2_grpc.HealthStub(channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    await watch.read()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S).read()
    assert fault_from_rpc_error(caught.value).reason is Reason.QUEUE_FULL
    await intake_stub(channel).RecordDonation(
        intake_pb.RecordDonationRequest(request_id=str(uuid4())), timeout=TIMEOUT_S
    )
    watch.cancel()


async def test_no_proxy_is_asked_for_the_way(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    await intake_stub(connect(server, "partner", "alipay")).RecordDonation(
        intake_pb.RecordDonationRequest(request_id=str(uuid4())), timeout=TIMEOUT_S
    )
