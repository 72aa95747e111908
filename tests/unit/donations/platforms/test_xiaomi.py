"""What is particular to Xiaomi's notices."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from services.donations.platforms import GiftReport, Notice, Report
from services.donations.platforms.form import read_form
from services.donations.platforms.xiaomi import Xiaomi, signed_text
from services.runtime.errors import Fault, Reason
from tests.unit.donations.platforms.sender_xiaomi import XIAOMI_APP_ID, XiaomiSender
from tests.unit.donations.platforms.sending import NOW, Gift, output_of, secret

SENDER = XiaomiSender()
GIFT = Gift()

# The example of Xiaomi's document, as it is sent; the key that signed it is not told there.
EXAMPLE = (
    "appId=2882303761517239138&cpOrderId=9786bffc-996d-4553-aa33-f7e92c0b29d5"
    "&orderConsumeType=10&orderId=21140990160359583390&orderStatus=TRADE_SUCCESS&payFee=1"
    "&payTime=2014-09-05%2015:20:27&productCode=com.demo_1&productCount=1"
    "&productName=%E9%93%B6%E5%AD%901%E4%B8%A4&uid=100010"
    "&signature=1388720d978021c20aa885d9b3e1b70cec751496"
)
EXAMPLE_SIGNED = (
    "appId=2882303761517239138&cpOrderId=9786bffc-996d-4553-aa33-f7e92c0b29d5"
    "&orderConsumeType=10&orderId=21140990160359583390&orderStatus=TRADE_SUCCESS&payFee=1"
    "&payTime=2014-09-05 15:20:27&productCode=com.demo_1&productCount=1"
    "&productName=银子1两&uid=100010"
)


def read(notice: Notice) -> list[Report]:
    return SENDER.platform().read(notice, NOW)


def reason_of(notice: Notice) -> Reason:
    with pytest.raises(Fault) as caught:
        read(notice)
    return caught.value.reason


def payment(**fields: object) -> Notice:
    return SENDER.payment(GIFT, lambda content: content.update(fields))


def test_the_signed_text_is_that_of_the_document() -> None:
    assert signed_text(read_form(EXAMPLE.encode())).decode() == EXAMPLE_SIGNED


def test_another_program_makes_the_same_signature() -> None:
    fields = dict(parse_qsl(payment().query))
    signature = fields.pop("signature")
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    command = ["openssl", "dgst", "-sha1", "-hmac", secret("platform").decode()]
    assert output_of(command, text.encode()).split()[-1] == signature


def test_a_secret_being_changed_signs_beside_the_new_one() -> None:
    platform = Xiaomi(XIAOMI_APP_ID, (secret("next"), secret("platform")))
    assert platform.read(payment(), NOW) == platform.read(
        SENDER.payment(GIFT, key_name="next"), NOW
    )


def test_empty_values_are_not_signed() -> None:
    notice = payment()
    assert read(replace(notice, query=notice.query + "&remark=")) == read(notice)


def test_a_value_that_could_be_cut_into_others_is_refused() -> None:
    inner = "x&orderId=FORGED&orderStatus=TRADE_SUCCESS&payFee=99999&payTime=2026-09-05 11:00:00"
    paid = payment(cpUserInfo=f"{inner}&zz=1")
    assert reason_of(paid) is Reason.NOTIFICATION_MALFORMED
    # Cut at the payer's ampersands, the signed text stays the same and would be a greater gift.
    fields = dict(parse_qsl(paid.query))
    signature = fields.pop("signature")
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    head, _, tail = text.partition("&zz=")
    forged = [*parse_qsl(head), ("zz", tail)]
    query = "&".join(f"{name}={_quoted(value)}" for name, value in forged)
    notice = replace(paid, query=f"{query}&signature={signature}")
    assert signed_text(read_form(notice.query.encode())).decode() == text
    assert reason_of(notice) is Reason.NOTIFICATION_MALFORMED


def _quoted(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode())


def test_times_are_of_shanghai() -> None:
    (report,) = read(payment(payTime="2018-05-25 03:03:59"))
    assert report.event_time == datetime(2018, 5, 24, 19, 3, 59, tzinfo=UTC)


@pytest.mark.parametrize("fee", ["0", "-1", "1.5", "01", "１", "1e3", "1" * 16])
def test_an_amount_that_is_none_is_malformed(fee: str) -> None:
    assert reason_of(payment(payFee=fee)) is Reason.NOTIFICATION_MALFORMED


def test_another_recipients_notice_is_refused() -> None:
    assert reason_of(payment(appId="2882303761517000000")) is Reason.RECIPIENT_MISMATCH


@pytest.mark.parametrize(
    "fields", [{"orderStatus": "TRADE_CLOSED"}, {"partnerGiftConsume": "100"}, {"payTime": "x"}]
)
def test_what_a_person_must_see_is_malformed(fields: dict[str, object]) -> None:
    assert reason_of(payment(**fields)) is Reason.NOTIFICATION_MALFORMED


def test_an_order_without_vouchers_may_say_so() -> None:
    assert read(payment(partnerGiftConsume="0")) == read(payment())


def test_an_order_without_the_merchants_text_is_a_gift() -> None:
    (report,) = read(SENDER.payment(GIFT, lambda content: content.pop("cpUserInfo")))
    assert isinstance(report, GiftReport)
    assert (report.campaign, report.project) == ("", "")


def test_a_query_that_is_not_ascii_is_malformed() -> None:
    notice = payment()
    assert reason_of(replace(notice, query=notice.query + "&x=两")) is Reason.NOTIFICATION_MALFORMED
