"""What is particular to WeChat Pay's notices."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.donations.platforms import Notice, Probe, RefundReport, Report
from services.donations.platforms.signature import Verifier
from services.donations.platforms.tencent import Tencent
from services.runtime.errors import Fault, Reason
from tests.unit.donations.platforms.certificates import certificate_pem, serial_of
from tests.unit.donations.platforms.senders import (
    APIV3_KEY,
    APPID,
    MCHID,
    NOW,
    SERIAL,
    Gift,
    Refund,
    TencentSender,
    public_pem,
    with_header,
)

SENDER = TencentSender()
GIFT = Gift()


def read(notice: Notice, now: datetime = NOW) -> list[Report]:
    return SENDER.platform().read(notice, now)


def reason_of(notice: Notice, now: datetime = NOW) -> Reason:
    with pytest.raises(Fault) as caught:
        read(notice, now)
    assert not isinstance(caught.value, Probe)
    return caught.value.reason


def payment(**fields: object) -> Notice:
    return SENDER.payment(GIFT, lambda content: content.update(fields))


def refund(**fields: object) -> Notice:
    return SENDER.refund(GIFT, Refund(), lambda content: content.update(fields))


def enveloped(edit: Callable[[dict[str, object]], object], **options: bytes) -> Notice:
    envelope = SENDER.envelope("TRANSACTION.SUCCESS", SENDER.transaction(GIFT), **options)
    edit(envelope)
    return SENDER.notice(envelope)


def test_a_probe_is_refused_and_can_be_told() -> None:
    notice = with_header(payment(), "wechatpay-signature", "WECHATPAY/SIGNTEST/abc+/=")
    with pytest.raises(Probe) as caught:
        read(notice)
    assert caught.value.reason is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_time_within_five_minutes_is_fresh(seconds: int) -> None:
    assert read(payment(), NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-86_400, -301, 301, 86_400])
def test_a_time_beyond_five_minutes_is_stale(seconds: int) -> None:
    assert reason_of(payment(), NOW + timedelta(seconds=seconds)) is Reason.TIMESTAMP_STALE


def test_a_forged_time_is_called_forged_not_stale() -> None:
    notice = with_header(payment(), "wechatpay-timestamp", "1")
    assert reason_of(notice) is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("timestamp", ["", "1.5", "-1", "１７", "1" * 12])
def test_a_signed_time_that_is_none_is_not_taken(timestamp: str) -> None:
    envelope = SENDER.envelope("TRANSACTION.SUCCESS", SENDER.transaction(GIFT))
    reason = reason_of(SENDER.notice(envelope, timestamp=timestamp))
    assert reason in (Reason.NOTIFICATION_MALFORMED, Reason.SIGNATURE_INVALID)


def test_an_unknown_serial_is_refused() -> None:
    assert reason_of(with_header(payment(), "wechatpay-serial", "PUB_KEY_ID_0002")) is (
        Reason.SIGNATURE_INVALID
    )


def test_another_kind_of_signature_is_refused() -> None:
    notice = with_header(payment(), "wechatpay-signature-type", "WECHATPAY2-SM2-WITH-SM3")
    assert reason_of(notice) is Reason.SIGNATURE_INVALID


def test_during_a_rotation_old_and_new_keys_verify() -> None:
    pem = certificate_pem("certified", NOW - timedelta(days=1), NOW + timedelta(days=1))
    platform = Tencent(
        APPID,
        MCHID,
        AESGCM(APIV3_KEY),
        {
            SERIAL: Verifier.from_pem(public_pem("platform")),
            serial_of(pem): Verifier.from_pem(pem),
        },
    )
    envelope = SENDER.envelope("TRANSACTION.SUCCESS", SENDER.transaction(GIFT))
    old = SENDER.notice(envelope, key_name="certified", serial=serial_of(pem))
    assert platform.read(old, NOW) == platform.read(SENDER.notice(envelope), NOW)
    crossed = SENDER.notice(envelope, key_name="platform", serial=serial_of(pem))
    with pytest.raises(Fault, match="key that Wechatpay-Serial names"):
        platform.read(crossed, NOW)


@pytest.mark.parametrize("kind", ["certificates", "public keys"])
def test_a_rotation_from_one_key_to_the_next(kind: str) -> None:
    keys = {}
    for name in ("old", "new"):
        if kind == "certificates":
            pem = certificate_pem(name, NOW - timedelta(days=1), NOW + timedelta(days=1))
            keys[name] = serial_of(pem), Verifier.from_pem(pem)
        else:
            keys[name] = f"PUB_KEY_ID_{name}", Verifier.from_pem(public_pem(name))
    envelope = SENDER.envelope("TRANSACTION.SUCCESS", SENDER.transaction(GIFT))

    def verified(trusted: tuple[str, ...], signer: str, serial: str) -> bool:
        platform = Tencent(APPID, MCHID, AESGCM(APIV3_KEY), dict(keys[name] for name in trusted))
        notice = SENDER.notice(envelope, key_name=signer, serial=keys[serial][0])
        try:
            return platform.read(notice, NOW) == read(payment())
        except Fault as fault:
            if fault.reason is not Reason.SIGNATURE_INVALID:
                raise
            return False

    for trusted in (("old",), ("old", "new"), ("new",)):
        for signer in ("old", "new"):
            assert verified(trusted, signer, signer) is (signer in trusted)
            other = "new" if signer == "old" else "old"
            assert not verified(trusted, signer, other)


@pytest.mark.parametrize("days", [(-2, -1), (1, 2)])
def test_a_certificate_outside_its_time_verifies_nothing(days: tuple[int, int]) -> None:
    pem = certificate_pem("certified", *(NOW + timedelta(days=day) for day in days))
    platform = Tencent(APPID, MCHID, AESGCM(APIV3_KEY), {serial_of(pem): Verifier.from_pem(pem)})
    envelope = SENDER.envelope("TRANSACTION.SUCCESS", SENDER.transaction(GIFT))
    notice = SENDER.notice(envelope, key_name="certified", serial=serial_of(pem))
    with pytest.raises(Fault, match="valid now"):
        platform.read(notice, NOW)


@pytest.mark.parametrize("name", ["appid", "mchid"])
def test_another_recipients_payment_is_refused(name: str) -> None:
    assert reason_of(payment(**{name: "wx0000000000000000"})) is Reason.RECIPIENT_MISMATCH


def test_another_recipients_refund_is_refused() -> None:
    assert reason_of(refund(mchid="1900000110")) is Reason.RECIPIENT_MISMATCH


def test_another_apiv3_key_is_malformed() -> None:
    notice = enveloped(lambda _: None, apiv3_key=b"x" * 32)
    assert reason_of(notice) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize("trade_state", ["SUCCESS", "REFUND"])
def test_a_paid_transaction_is_a_gift_even_while_it_is_refunded(trade_state: str) -> None:
    assert read(payment(trade_state=trade_state)) == read(payment())


@pytest.mark.parametrize("trade_state", ["NOTPAY", "CLOSED", "PAYERROR", "success"])
def test_a_state_that_contradicts_the_event_is_malformed(trade_state: str) -> None:
    assert reason_of(payment(trade_state=trade_state)) is Reason.NOTIFICATION_MALFORMED


def test_a_refund_is_of_this_refund_alone() -> None:
    assert read(refund()) == [
        RefundReport(
            external_id=GIFT.external_id,
            refund_id="R-1",
            amount_micros=2_340_000,
            currency="CNY",
            cumulative=False,
            event_time=Refund().paid,
        )
    ]


@pytest.mark.parametrize("state", ["ABNORMAL", "CLOSED"])
def test_a_refund_that_failed_moves_no_money(state: str) -> None:
    resource = {"mchid": MCHID, "refund_status": state}
    notice = SENDER.notice(SENDER.envelope(f"REFUND.{state}", resource))
    assert read(notice) == []


@pytest.mark.parametrize("name", ["transaction_id", "refund_id", "success_time", "amount"])
def test_a_refund_without_a_field_is_malformed(name: str) -> None:
    notice = SENDER.refund(GIFT, Refund(), lambda content: content.pop(name))
    assert reason_of(notice) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize("total", [0, -1, 1.0, 12.34, "1234", True, None, [], 10**30])
def test_an_amount_that_is_no_whole_number_of_fen_is_malformed(total: object) -> None:
    assert reason_of(payment(amount={"total": total})) is Reason.NOTIFICATION_MALFORMED


def test_another_currency_is_malformed() -> None:
    amount = {"total": 100, "currency": "USD"}
    assert reason_of(payment(amount=amount)) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-09-05T11:59:00+08:00", datetime(2026, 9, 5, 3, 59, tzinfo=UTC)),
        ("2026-09-05T03:59:00Z", datetime(2026, 9, 5, 3, 59, tzinfo=UTC)),
        ("2026-09-05T03:59:00.1234567Z", datetime(2026, 9, 5, 3, 59, 0, 123456, tzinfo=UTC)),
    ],
)
def test_times_are_read_with_their_offset(text: str, time: datetime) -> None:
    (report,) = read(payment(success_time=text))
    assert report.event_time == time


@pytest.mark.parametrize(
    "time",
    ["2026-09-05T11:59:00", "2026-09-05", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00"],
)
def test_a_time_that_is_none_is_malformed(time: str) -> None:
    assert reason_of(payment(success_time=time)) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_type", "COUPON.USE"),
        ("event_type", None),
        ("resource", "text"),
        ("resource", {"algorithm": "AES"}),
        ("resource", {"algorithm": "AEAD_AES_256_GCM", "nonce": "short", "ciphertext": "AA=="}),
        ("resource", {"algorithm": "AEAD_AES_256_GCM", "nonce": "n" * 12, "ciphertext": "**"}),
        ("resource", {"algorithm": "AEAD_AES_256_GCM", "nonce": "n" * 12, "ciphertext": "AA=="}),
    ],
)
def test_an_envelope_that_the_documents_do_not_describe_is_malformed(
    name: str, value: object
) -> None:
    notice = enveloped(lambda envelope: envelope.update({name: value}))
    assert reason_of(notice) is Reason.NOTIFICATION_MALFORMED


# Good but for one name, which it gives twice.
TWICE = SENDER.payment(GIFT).body.replace(
    b'"resource_type"', b'"event_type": "TRANSACTION.SUCCESS", "resource_type"'
)


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf{}",
        TWICE,
        b'{"event_type": NaN}',
        b"[" * 50_000,
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1e99999999999999999999}',
        json.dumps({"event_type": "\ud800"}).encode(),
        "{}".encode("utf-16"),
    ],
    ids=["bom", "twice", "nan", "deep", "digits", "exponent", "surrogate", "utf-16"],
)
def test_signed_bodies_that_are_no_json_object_are_malformed(body: bytes) -> None:
    assert reason_of(SENDER.notice(body)) is Reason.NOTIFICATION_MALFORMED


def test_an_unusable_payer_does_not_lose_the_gift() -> None:
    for payer in (None, {}, {"openid": 5}, {"openid": "\ud800"}, {"openid": "x" * 200}):
        (report,) = read(payment(payer=payer))
        assert getattr(report, "donor_reference", None) == ""
