"""Bad input, on a whole mesh: each gets a status, a reason and advice, and changes nothing."""

import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as ledger_grpc
from watersmeet.type.v1.money_pb2 import Money

from services.cli.simulator.alipay import Alipay
from services.cli.simulator.keys import PlatformKeys, load_keys
from services.cli.simulator.notice import Notice
from services.cli.simulator.reports import Gift, Kind, Report, Way
from services.cli.simulator.tencent import Tencent, sign
from services.runtime.status import fault_from_rpc_error
from services.runtime.supervisor.certificates import Authority
from services.runtime.supervisor.state import MeshState
from tests.e2e.conftest import running_mesh
from tests.support.identities import Certificates

_TIMEOUT_S = 10.0
Code = grpc.StatusCode


@dataclass(frozen=True)
class Running:
    """A mesh, and what tests need to talk to it."""

    state: MeshState

    def channel(self, role: str, name: str, service: str = "donations") -> grpc.Channel:
        ca, certificate, key = self.state.credentials(role, name)
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
        return grpc.secure_channel(self.state.address(service), credentials)

    def books(self) -> tuple[int, set[str]]:
        """How many entries the ledger has, and which gifts the partners of these tests have."""
        with self.channel("operator", "local", "ledger") as channel:
            stub = ledger_grpc.LedgerServiceStub(channel)
            entries = stub.GetTrialBalance(ledger.GetTrialBalanceRequest(), timeout=_TIMEOUT_S)
        gifts: set[str] = set()
        with self.channel("operator", "local") as channel:
            intake = pb_grpc.DonationIntakeServiceStub(channel)
            for partner in ("alipay", "tencent", "weibo", "xiaomi"):
                page = intake.ListDonations(
                    pb.ListDonationsRequest(partner=partner), timeout=_TIMEOUT_S
                )
                gifts |= {f"{partner}/{gift.external_id}" for gift in page.donations}
        return entries.as_of_sequence, gifts


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_mesh(tmp_path_factory.mktemp("bad-input")) as state:
        yield Running(state)


@pytest.fixture(autouse=True)
def nothing_changes(mesh: Running) -> Iterator[None]:
    before = mesh.books()
    yield
    assert mesh.books() == before


def at(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def gift(**changes: Any) -> pb.RecordDonationRequest:
    fields: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "external_id": f"bad-{uuid.uuid4().hex[:12]}",
        "project": "water",
        "amount": Money(currency_code="CNY", micros=5_000_000),
        "event_time": at(datetime.now(UTC)),
    }
    return pb.RecordDonationRequest(**{**fields, **changes})


def money(micros: int, currency: str = "CNY") -> Money:
    return Money(currency_code=currency, micros=micros)


def assert_refused(error: grpc.RpcError, code: grpc.StatusCode, reason: str) -> None:
    fault = fault_from_rpc_error(error)
    assert (error.code(), fault.reason) == (code, reason), fault
    assert len(fault.message) > 15, "it says what to do"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request_id": ""}, "REQUEST_ID_INVALID"),
        ({"request_id": "again"}, "REQUEST_ID_INVALID"),
        ({"external_id": ""}, "FIELD_REQUIRED"),
        ({"external_id": "two words"}, "FIELD_INVALID"),
        ({"project": ""}, "FIELD_REQUIRED"),
        ({"project": "Water?"}, "FIELD_INVALID"),
        ({"amount": None}, "FIELD_REQUIRED"),
        ({"amount": money(0)}, "AMOUNT_NOT_POSITIVE"),
        ({"amount": money(-5_000_000)}, "AMOUNT_NOT_POSITIVE"),
        ({"amount": money(10**15 + 1)}, "AMOUNT_OVER_LIMIT"),
        ({"amount": money(5_000_000, "ZZZ")}, "CURRENCY_UNKNOWN"),
        ({"amount": money(5_000_000, "cny")}, "CURRENCY_UNKNOWN"),
        ({"event_time": None}, "FIELD_REQUIRED"),
        ({"event_time": at(datetime.now(UTC) + timedelta(hours=2))}, "EVENT_TIME_IN_FUTURE"),
        ({"event_time": at(datetime(2099, 1, 1, tzinfo=UTC))}, "EVENT_TIME_IN_FUTURE"),
        ({"donor_reference": "d" * 129}, "FIELD_INVALID"),
    ],
)
def test_a_gift_that_cannot_be_true(mesh: Running, changes: dict[str, Any], reason: str) -> None:
    with mesh.channel("partner", "weibo") as channel:
        stub = pb_grpc.DonationIntakeServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            stub.RecordDonation(gift(**changes), timeout=_TIMEOUT_S)
    assert_refused(raised.value, Code.INVALID_ARGUMENT, reason)


def test_a_partner_speaks_only_for_itself(mesh: Running) -> None:
    with mesh.channel("partner", "weibo") as channel:
        stub = pb_grpc.DonationIntakeServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            stub.RecordDonation(gift(partner="xiaomi"), timeout=_TIMEOUT_S)
    assert_refused(raised.value, Code.PERMISSION_DENIED, "PARTNER_MISMATCH")


def test_a_partner_has_no_business_in_the_ledger(mesh: Running) -> None:
    with mesh.channel("partner", "weibo", "ledger") as channel:
        stub = ledger_grpc.LedgerServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            stub.PostEntries(
                ledger.PostEntriesRequest(request_id=str(uuid.uuid4())), timeout=_TIMEOUT_S
            )
    assert_refused(raised.value, Code.PERMISSION_DENIED, "PERMISSION_DENIED")


def test_without_a_certificate_no_call_begins(mesh: Running) -> None:
    ca, _, _ = mesh.state.credentials("partner", "weibo")
    address = mesh.state.address("donations")
    with (
        grpc.secure_channel(address, grpc.ssl_channel_credentials(ca)) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        pb_grpc.DonationIntakeServiceStub(channel).RecordDonation(gift(), timeout=_TIMEOUT_S)
    assert_refused(raised.value, Code.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
    assert "certificate" in fault_from_rpc_error(raised.value).message


def test_another_authoritys_certificate_is_refused(mesh: Running, tmp_path: Path) -> None:
    foreign = Certificates(Authority(tmp_path)).settings_for("partner", "weibo")
    ca, _, _ = mesh.state.credentials("partner", "weibo")
    credentials = grpc.ssl_channel_credentials(
        ca,
        Path(foreign["key_file"]).read_bytes(),
        Path(foreign["certificate_file"]).read_bytes(),
    )
    with (
        grpc.secure_channel(mesh.state.address("donations"), credentials) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        pb_grpc.DonationIntakeServiceStub(channel).RecordDonation(gift(), timeout=_TIMEOUT_S)
    assert_refused(raised.value, Code.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
    assert "certificate" in fault_from_rpc_error(raised.value).message


def test_a_message_over_the_limit(mesh: Running) -> None:
    with mesh.channel("partner", "weibo") as channel:
        stub = pb_grpc.DonationIntakeServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            stub.RecordDonation(gift(donor_reference="d" * 5_000_000), timeout=_TIMEOUT_S)
    assert_refused(raised.value, Code.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")


def batch(**changes: Any) -> pb.DonationBatch:
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    fields: dict[str, Any] = {
        "currency_code": "CNY",
        "external_ids": [f"b-{uuid.uuid4().hex[:12]}" for _ in range(3)],
        "amounts_micros": [1_000_000, 2_000_000, 3_000_000],
        "event_times_micros": [now] * 3,
        "projects": ["water"],
        "project_indexes": [0, 0, 0],
        "control_totals": pb.ControlTotals(count=3, micros=6_000_000),
    }
    return pb.DonationBatch(**{**fields, **changes})


def opening(**changes: Any) -> pb.StreamOpening:
    fields: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "stream_id": f"s-{uuid.uuid4().hex[:12]}",
    }
    return pb.StreamOpening(**{**fields, **changes})


INVALID = Code.INVALID_ARGUMENT
EMPTY = pb.DonationBatch(currency_code="CNY", control_totals=pb.ControlTotals())


@pytest.mark.parametrize(
    ("messages", "code", "reason"),
    [
        ([opening(request_id="")], INVALID, "REQUEST_ID_INVALID"),
        ([opening(stream_id="")], INVALID, "FIELD_REQUIRED"),
        ([batch()], Code.FAILED_PRECONDITION, "STREAM_NOT_OPENED"),
        ([opening(), opening()], Code.FAILED_PRECONDITION, "STREAM_NOT_OPENED"),
        ([opening(), batch(amounts_micros=[6_000_000])], INVALID, "BATCH_COLUMNS_UNEQUAL"),
        ([opening(), batch(project_indexes=[0, 0, 1])], INVALID, "BATCH_COLUMNS_UNEQUAL"),
        ([opening(), batch(donor_references=["d"])], INVALID, "BATCH_COLUMNS_UNEQUAL"),
        ([opening(), EMPTY], INVALID, "BATCH_SIZE_INVALID"),
        ([opening(), batch(offset=7)], Code.OUT_OF_RANGE, "STREAM_OFFSET_GAP"),
        (
            [opening(), batch(control_totals=pb.ControlTotals(count=3, micros=6_000_001))],
            INVALID,
            "CONTROL_TOTALS_MISMATCH",
        ),
        (
            [opening(), batch(control_totals=pb.ControlTotals(count=2, micros=6_000_000))],
            INVALID,
            "CONTROL_TOTALS_MISMATCH",
        ),
    ],
)
def test_a_stream_out_of_shape(
    mesh: Running, messages: list[Any], code: grpc.StatusCode, reason: str
) -> None:
    requests = [
        pb.StreamDonationsRequest(opening=message)
        if isinstance(message, pb.StreamOpening)
        else pb.StreamDonationsRequest(batch=message)
        for message in messages
    ]
    with mesh.channel("partner", "weibo") as channel:
        stub = pb_grpc.DonationIntakeServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            for _ in stub.StreamDonations(iter(requests), timeout=_TIMEOUT_S):
                pass
    assert_refused(raised.value, code, reason)


NOW = datetime.now(UTC).replace(microsecond=0)
REPORT = Report(
    Gift("tencent", "4200000095201909051234567890", "water", "week", 1_000_000, NOW, "d"),
    Kind.FIRST,
    Way.NOTICE,
)


def tencent(keys: PlatformKeys, kind: Kind = Kind.FIRST, age: timedelta = timedelta(0)) -> Notice:
    """Signed when the test runs, not when its module was read, less an age."""
    signed_at = datetime.now(UTC) - age
    return Tencent(keys.tencent, keys.forger).notice(replace(REPORT, kind=kind), signed_at)


def alipay(keys: PlatformKeys, kind: Kind = Kind.FIRST) -> Notice:
    report = replace(REPORT, subject=replace(REPORT.subject, partner="alipay"), kind=kind)
    return Alipay(keys.alipay, keys.forger).notice(report, NOW)


def other_merchant(keys: PlatformKeys) -> Notice:
    return tencent(replace(keys, tencent=replace(keys.tencent, mchid="1900000001")))


def signed(keys: PlatformKeys, body: bytes) -> Notice:
    """A notice that is WeChat Pay's without doubt, and says nothing that it should."""
    headers = dict(tencent(keys).headers)
    headers["Wechatpay-Signature"] = sign(
        headers["Wechatpay-Timestamp"], headers["Wechatpay-Nonce"], body, keys.tencent.private_key
    )
    return Notice(headers, body)


def cut_short(notice: Notice) -> Notice:
    return replace(notice, body=notice.body[: len(notice.body) // 2])


@pytest.mark.parametrize(
    ("platform", "make", "status", "reason"),
    [
        ("tencent", lambda k: tencent(k, Kind.FORGED), 401, "SIGNATURE_INVALID"),
        ("tencent", lambda k: cut_short(tencent(k)), 401, "SIGNATURE_INVALID"),
        (
            "tencent",
            lambda k: tencent(k, age=timedelta(minutes=6)),
            401,
            "TIMESTAMP_STALE",
        ),
        ("tencent", other_merchant, 403, "RECIPIENT_MISMATCH"),
        ("tencent", lambda _: Notice({}, b"{}"), 401, "SIGNATURE_INVALID"),
        ("tencent", lambda k: signed(k, b'{"id": 1}'), 400, "NOTIFICATION_MALFORMED"),
        ("tencent", lambda k: signed(k, b"\xff{"), 400, "NOTIFICATION_MALFORMED"),
        ("tencent", lambda _: Notice({}, b"x" * (1 << 20) + b"x"), 413, "MESSAGE_TOO_LARGE"),
        ("alipay", lambda k: alipay(k, Kind.FORGED), 401, "SIGNATURE_INVALID"),
        ("alipay", lambda _: Notice({}, b"\xff\x00 not a form"), 400, "NOTIFICATION_MALFORMED"),
        ("nobody", lambda k: alipay(k), 404, "PLATFORM_UNKNOWN"),
    ],
)
async def test_a_notice_that_cannot_be_taken(
    mesh: Running,
    platform: str,
    make: Callable[[PlatformKeys], Notice],
    status: int,
    reason: str,
) -> None:
    notice = make(load_keys(mesh.state.directory / "platforms"))
    url = f"{mesh.state.http_url}/callbacks/{platform}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=io.BytesIO(notice.body), headers=notice.headers) as answer,
    ):
        told = await answer.json()
    assert (answer.status, told["reason"]) == (status, reason), told
    assert len(told["message"]) > 15, "it says what to do"
