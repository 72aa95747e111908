"""Our reading of the two signatures, held against libraries that others wrote from the documents.

What they sign we accept; what our own test helpers sign, they verify. They are no part of the
product: python-alipay-sdk changes its input, and wechatpayv3 fetches keys by itself.
"""

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from alipay import AliPay
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.utils import rsa_sign

from services.donations.platforms import Notice
from services.runtime.errors import Fault
from tests.unit.donations.platforms.senders import (
    APIV3_KEY,
    APP_ID,
    APPID,
    MCHID,
    NOW,
    SERIAL,
    AlipaySender,
    Gift,
    Refund,
    TencentSender,
    key,
    public_pem,
)

ALIPAY = AlipaySender()
TENCENT = TencentSender()
GIFT = Gift()


def private_pem(name: str) -> str:
    pem = key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def alipay_sdk(key_name: str = "platform") -> Any:
    """The SDK, holding both ends of one key pair: Alipay's own is not to be had."""
    return AliPay(
        appid=APP_ID,
        app_private_key_string=private_pem(key_name),
        alipay_public_key_string=public_pem("platform").decode(),
        sign_type="RSA2",
    )


def wechatpay() -> Any:
    return WeChatPay(
        wechatpay_type=WeChatPayType.JSAPI,
        mchid=MCHID,
        private_key=private_pem("merchant"),
        cert_serial_no="444F4864EA9B34415",
        appid=APPID,
        apiv3_key=APIV3_KEY.decode(),
        public_key=public_pem("platform").decode(),
        public_key_id=SERIAL,
    )


def fields_of(notice: Notice) -> dict[str, str]:
    """The parameters of one of our helper's notices, without the signature."""
    fields = dict(parse_qsl(notice.body.decode(), keep_blank_values=True))
    return {name: value for name, value in fields.items() if name not in ("sign", "sign_type")}


@pytest.mark.parametrize("notice", [ALIPAY.payment(GIFT), ALIPAY.refund(GIFT, Refund())])
def test_we_accept_what_the_alipay_sdk_signs(notice: Notice) -> None:
    # sign_data orders, signs and encodes; sign_type stays outside, as in Alipay's notices.
    body = alipay_sdk().sign_data(fields_of(notice)) + "&sign_type=RSA2"
    signed = replace(notice, body=body.encode())
    assert ALIPAY.platform().read(signed, NOW) == ALIPAY.platform().read(notice, NOW)


def test_we_refuse_what_the_alipay_sdk_signs_with_another_key() -> None:
    body = alipay_sdk("stranger").sign_data(ALIPAY.fields(GIFT)) + "&sign_type=RSA2"
    with pytest.raises(Fault, match="public key"):
        ALIPAY.platform().read(replace(ALIPAY.payment(GIFT), body=body.encode()), NOW)


@pytest.mark.parametrize("notice", [ALIPAY.payment(GIFT), ALIPAY.refund(GIFT, Refund())])
def test_the_alipay_sdk_verifies_what_our_helper_signs(notice: Notice) -> None:
    fields = dict(parse_qsl(notice.body.decode(), keep_blank_values=True))
    sign = fields.pop("sign")
    assert alipay_sdk().verify(dict(fields), sign) is True
    assert alipay_sdk().verify(fields | {"total_amount": "99.99"}, sign) is False


def refunded() -> dict[str, object]:
    """What a refund's notice says, as our helper makes it."""
    kept: dict[str, object] = {}
    TENCENT.refund(GIFT, Refund(), kept.update)
    return kept


@pytest.mark.parametrize(
    ("event", "content", "ours"),
    [
        ("TRANSACTION.SUCCESS", TENCENT.transaction(GIFT), TENCENT.payment(GIFT)),
        ("REFUND.SUCCESS", refunded(), TENCENT.refund(GIFT, Refund())),
    ],
)
def test_we_accept_what_wechatpayv3_signs(
    event: str, content: dict[str, object], ours: Notice
) -> None:
    resource = json.dumps(content, ensure_ascii=False).encode()
    sealed = AESGCM(APIV3_KEY).encrypt(b"n" * 12, resource, b"")
    envelope = {
        "event_type": event,
        "resource_type": "encrypt-resource",
        "resource": {
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": "",
            "nonce": "n" * 12,
        },
        "summary": "支付成功",
    }
    body = json.dumps(envelope, ensure_ascii=False)
    timestamp = str(int(NOW.timestamp()))
    headers = {
        "Wechatpay-Serial": SERIAL,
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": "nonce",
        "Wechatpay-Signature": rsa_sign(key("platform"), f"{timestamp}\nnonce\n{body}\n"),
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }
    assert wechatpay().callback(headers, body)["resource"]["transaction_id"] == GIFT.external_id
    notice = Notice.received("POST", "", headers.items(), body.encode())
    read = TENCENT.platform().read(notice, NOW)
    assert read == TENCENT.platform().read(ours, NOW)


@pytest.mark.parametrize(
    ("notice", "event"),
    [
        (TENCENT.payment(GIFT), "TRANSACTION.SUCCESS"),
        (TENCENT.refund(GIFT, Refund()), "REFUND.SUCCESS"),
    ],
)
def test_wechatpayv3_verifies_and_decrypts_what_our_helper_makes(
    notice: Notice, event: str
) -> None:
    content = wechatpay().callback(notice.headers, notice.body)
    assert content["event_type"] == event
    assert content["resource"]["transaction_id"] == GIFT.external_id
    assert wechatpay().callback(notice.headers, notice.body + b" ") is None
