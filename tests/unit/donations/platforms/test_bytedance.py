"""What is particular to Douyin's callbacks."""

import json

import pytest

from services.donations.platforms import GiftReport, Notice, RefundReport, Report
from services.donations.platforms.bytedance import Bytedance, callback_signature
from services.runtime.errors import Fault, Reason
from tests.unit.donations.platforms.sender_bytedance import BYTEDANCE_APPID, BytedanceSender
from tests.unit.donations.platforms.sending import NOW, Gift, Refund, output_of, secret, with_body

SENDER = BytedanceSender()
GIFT = Gift()


def read(notice: Notice) -> list[Report]:
    return SENDER.platform().read(notice, NOW)


def reason_of(notice: Notice) -> Reason:
    with pytest.raises(Fault) as caught:
        read(notice)
    return caught.value.reason


def payment(**fields: object) -> Notice:
    return SENDER.payment(GIFT, lambda content: content.update(fields))


def refund(**fields: object) -> Notice:
    return SENDER.refund(GIFT, Refund(), lambda content: content.update(fields))


def changed(notice: Notice, **fields: object) -> Notice:
    """The callback with other parts, its signature as it was."""
    return with_body(notice, json.dumps(json.loads(notice.body) | fields).encode())


def test_the_vector_of_bytedances_own_demo() -> None:
    # open-pay-signature-go-demo, utils/sign_test.go, Test_CallbackSign.
    signature = callback_signature(b"fdsifakhflasjfxxxxxxxxx", "1652675265", "9999", b"80850852")
    assert signature == b"c9df04a40645c4ec15c13bc542cea589eac57e64"


def test_another_program_makes_the_same_signature() -> None:
    callback = json.loads(payment().body)
    parts = [secret("platform").decode(), callback["timestamp"], callback["nonce"], callback["msg"]]
    text = "".join(sorted(parts, key=lambda part: part.encode()))
    digest = output_of(["openssl", "dgst", "-sha1"], text.encode())
    assert digest.split()[-1] == callback["msg_signature"]


def test_a_token_being_changed_signs_beside_the_new_one() -> None:
    platform = Bytedance(BYTEDANCE_APPID, (secret("next"), secret("platform")))
    assert platform.read(payment(), NOW) == platform.read(
        SENDER.payment(GIFT, key_name="next"), NOW
    )


def test_another_recipients_callback_is_refused() -> None:
    assert reason_of(payment(appid="tt0000000000000000")) is Reason.RECIPIENT_MISMATCH


@pytest.mark.parametrize("status", ["PROCESSING", "FAIL", "TIMEOUT"])
def test_what_did_not_succeed_moves_no_money(status: str) -> None:
    assert read(payment(status=status)) == []
    assert read(refund(status=status)) == []


@pytest.mark.parametrize("fields", [{"status": "DONE"}, {"paid_at": 0}, {"paid_at": 1662350399000}])
def test_what_the_documents_do_not_list_is_malformed(fields: dict[str, object]) -> None:
    assert reason_of(payment(**fields)) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize("amount", [0, -1, 1.5, "1", True, None, 2**63])
def test_an_amount_that_is_none_is_malformed(amount: object) -> None:
    assert reason_of(payment(total_amount=amount)) is Reason.NOTIFICATION_MALFORMED
    assert reason_of(refund(refund_amount=amount)) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize("name", ["order_id", "refund_no", "refunded_at", "status", "appid"])
def test_a_refund_without_a_field_is_malformed(name: str) -> None:
    notice = SENDER.refund(GIFT, Refund(), lambda content: content.pop(name))
    assert reason_of(notice) is Reason.NOTIFICATION_MALFORMED


def test_a_type_that_was_changed_on_the_way_is_malformed() -> None:
    assert reason_of(changed(payment(), type="refund")) is Reason.NOTIFICATION_MALFORMED
    assert reason_of(changed(refund(), type="payment")) is Reason.NOTIFICATION_MALFORMED
    assert reason_of(changed(payment(), type="settle")) is Reason.NOTIFICATION_MALFORMED


def test_a_message_that_could_be_either_is_malformed() -> None:
    both = {"refund_amount": 1, "refund_no": "R-1", "refunded_at": 1662350399}
    assert reason_of(payment(**both)) is Reason.NOTIFICATION_MALFORMED


def test_a_message_that_would_not_sort_last_is_refused() -> None:
    callback = json.loads(payment().body)
    message = " " + callback["msg"]
    parts = (callback["timestamp"], callback["nonce"], message.encode())
    signature = callback_signature(secret("platform"), *parts).decode()
    notice = changed(payment(), msg=message, msg_signature=signature)
    assert reason_of(notice) is Reason.SIGNATURE_INVALID


def test_moving_the_border_between_the_parts_changes_nothing_that_is_read() -> None:
    notice = payment()
    callback = json.loads(notice.body)
    # The signed text stays the same, as it has no borders; so does what is read.
    moved = changed(notice, timestamp=callback["timestamp"] + "7", nonce="97")
    assert read(moved) == read(notice)
    cut = changed(notice, nonce=callback["nonce"] + "{", msg=callback["msg"][1:])
    assert reason_of(cut) is Reason.SIGNATURE_INVALID


def test_refunds_and_payments_name_the_same_order() -> None:
    (gift,), (back,) = read(payment()), read(refund())
    assert isinstance(gift, GiftReport)
    assert isinstance(back, RefundReport)
    assert gift.external_id == back.external_id
    assert not back.cumulative
