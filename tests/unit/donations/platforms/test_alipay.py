"""What is particular to Alipay's notices."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.donations.platforms import GiftReport, Notice, RefundReport, Report
from services.runtime.errors import Fault, Reason
from tests.unit.donations.platforms.senders import (
    NOW,
    AlipaySender,
    Gift,
    Refund,
    with_body,
)

SENDER = AlipaySender()
GIFT = Gift()


def read(notice: Notice) -> list[Report]:
    return SENDER.platform().read(notice, NOW)


def reason_of(notice: Notice) -> Reason:
    with pytest.raises(Fault) as caught:
        read(notice)
    return caught.value.reason


def payment(**fields: str) -> Notice:
    return SENDER.payment(GIFT, lambda content: content.update(fields))


def refund(refund: Refund | None = None, *drop: str, **fields: str) -> Notice:
    def edit(content: dict[str, object]) -> None:
        content.update(fields)
        for name in drop:
            del content[name]

    return SENDER.refund(GIFT, refund or Refund(), edit)


def test_times_are_of_shanghai() -> None:
    (report,) = read(payment(gmt_payment="2018-05-25 03:03:59"))
    assert report.event_time == datetime(2018, 5, 24, 19, 3, 59, tzinfo=UTC)


@pytest.mark.parametrize("time", ["2018-05-25", "2018-02-30 00:00:00", "2018-05-25T03:03:59", "x"])
def test_a_time_that_is_none_is_malformed(time: str) -> None:
    assert reason_of(payment(gmt_payment=time)) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize(
    "amount", ["0", "0.00", "-1.00", "+1.00", "1e3", "1.", ".5", "1,00", "NaN", "1.0000001", "١"]
)
def test_an_amount_that_is_none_is_malformed(amount: str) -> None:
    assert reason_of(payment(total_amount=amount)) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize(
    ("amount", "micros"), [("0.01", 10_000), ("20", 20_000_000), ("88.8", 88_800_000)]
)
def test_amounts_are_exact(amount: str, micros: int) -> None:
    (report,) = read(payment(total_amount=amount))
    assert report.amount_micros == micros


@pytest.mark.parametrize("name", ["app_id", "seller_id"])
def test_another_recipients_notice_is_refused(name: str) -> None:
    assert reason_of(payment(**{name: "2088000000000009"})) is Reason.RECIPIENT_MISMATCH


def test_a_finished_trade_is_a_gift() -> None:
    assert read(payment(trade_status="TRADE_FINISHED")) == read(payment())


def test_an_order_that_awaits_its_payment_moves_no_money() -> None:
    assert read(payment(trade_status="WAIT_BUYER_PAY")) == []


def test_an_order_that_nobody_paid_moves_no_money() -> None:
    assert (
        read(
            SENDER.payment(
                GIFT,
                lambda c: (c.pop("gmt_payment"), c.update(trade_status="TRADE_CLOSED")),
            )
        )
        == []
    )


def test_a_paid_trade_closed_without_a_refund_is_for_a_person_to_see() -> None:
    assert reason_of(payment(trade_status="TRADE_CLOSED")) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trade_status", "TRADE_SOMETHING"),
        ("notify_type", "dut_user_sign"),
        ("trans_currency", "USD"),
    ],
)
def test_what_the_documents_do_not_list_is_malformed(name: str, value: str) -> None:
    assert reason_of(payment(**{name: value})) is Reason.NOTIFICATION_MALFORMED


def test_a_refund_notice_reports_the_gift_as_its_payment_did() -> None:
    gift, report = read(refund())
    assert [gift] == read(payment())
    assert report == RefundReport(
        external_id=GIFT.external_id,
        refund_id="R-1",
        amount_micros=2_340_000,
        currency="CNY",
        cumulative=True,
        event_time=Refund().paid + timedelta(milliseconds=287),
    )


def test_a_full_refund_closes_the_trade() -> None:
    notice = refund(Refund("R-9", 1234, 1234))
    assert b"TRADE_CLOSED" in notice.body
    assert [type(report) for report in read(notice)] == [GiftReport, RefundReport]


@pytest.mark.parametrize("missing", ["passback_params", "gmt_payment"])
def test_a_refund_notice_that_does_not_tell_the_gift_reports_the_refund_alone(missing: str) -> None:
    (report,) = read(refund(None, missing))
    assert isinstance(report, RefundReport)


def test_a_payment_notice_may_state_a_refund_of_nothing() -> None:
    assert read(payment(refund_fee="0.00")) == read(payment())


@pytest.mark.parametrize("request_id", ["", "退款一号", "x" * 65])
def test_a_refund_without_a_usable_request_id_is_named_by_its_time(request_id: str) -> None:
    report = read(refund(gmt_refund="2026-09-05 11:59:30.287", out_biz_no=request_id))[-1]
    assert isinstance(report, RefundReport)
    assert report.refund_id == "refund-20260905115930287"


def test_a_refund_without_its_time_is_malformed() -> None:
    assert reason_of(refund(None, "gmt_refund")) is Reason.NOTIFICATION_MALFORMED


def test_newer_applications_are_told_an_open_id() -> None:
    notice = SENDER.payment(
        GIFT, lambda c: c.update(buyer_open_id=c.pop("buyer_id"), passback_params="project=library")
    )
    (report,) = read(notice)
    assert isinstance(report, GiftReport)
    assert (report.donor_reference, report.project) == (GIFT.donor, "library")


def test_a_field_twice_is_malformed() -> None:
    notice = payment()
    doubled = notice.body + b"&total_amount=0.01"
    assert reason_of(with_body(notice, doubled)) is Reason.NOTIFICATION_MALFORMED


def test_too_many_fields_are_malformed() -> None:
    many = {f"f{number}": "" for number in range(300)}
    assert reason_of(payment(**many)) is Reason.NOTIFICATION_MALFORMED


def test_empty_values_are_signed() -> None:
    notice = payment()
    assert b"&body=&" in notice.body
    assert reason_of(with_body(notice, notice.body.replace(b"&body=&", b"&"))) is (
        Reason.SIGNATURE_INVALID
    )


@pytest.mark.parametrize("sign_type", [b"RSA", b"rsa2", b"MD5", b""])
def test_no_weaker_kind_of_signature_is_taken(sign_type: bytes) -> None:
    notice = payment()
    body = notice.body.replace(b"sign_type=RSA2", b"sign_type=" + sign_type)
    assert reason_of(with_body(notice, body)) is Reason.SIGNATURE_INVALID


def test_a_signature_has_one_spelling() -> None:
    notice = payment()
    head, _, tail = notice.body.rpartition(b"%3D%3D")
    assert tail == b""
    # The last letter before "==" carries four bits that decoding ignores.
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    other = alphabet[alphabet.index(head[-1]) ^ 1 if head[-1] in alphabet else 0]
    body = head[:-1] + bytes([other]) + b"%3D%3D"
    assert reason_of(with_body(notice, body)) is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("charset", ["gbk", "GB2312", "utf-8", "UTF-8"])
def test_the_charset_decides_nothing_that_is_read(charset: str) -> None:
    fields = SENDER.fields(GIFT) | {"charset": charset}
    # Signed and sent as the bytes of that charset.
    notice = SENDER.notice_of_bytes({n: str(v).encode(charset) for n, v in fields.items()})
    assert read(notice) == read(payment())


def test_a_notice_for_another_time_of_day_is_not_stale() -> None:
    # Alipay repeats a notice for more than a day; nothing signed limits its age.
    late = NOW + timedelta(days=2)
    assert SENDER.platform().read(payment(), late) == read(payment())


def test_a_different_gift_time_is_another_content() -> None:
    other = SENDER.payment(replace(GIFT, paid=GIFT.paid - timedelta(seconds=1)))
    assert read(other) != read(payment())
