"""The platforms' side, written from their documents for the tests alone.

A Sender makes one platform's notices and signs them with a test key. The contract kit drives every
platform through it; a further platform adds its Sender to SENDERS.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote_plus

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.donations.platforms.alipay import Alipay
from services.donations.platforms.protocol import Notice, Platform
from services.donations.platforms.signature import Verifier
from services.donations.platforms.tencent import Tencent
from tests.unit.donations.platforms.sender_bytedance import BytedanceSender
from tests.unit.donations.platforms.sender_partner import PartnerSender
from tests.unit.donations.platforms.sender_stripe import StripeSender
from tests.unit.donations.platforms.sender_xiaomi import XiaomiSender
from tests.unit.donations.platforms.sending import (
    NOW,
    Edit,
    Gift,
    Refund,
    Sender,
    content_of,
    key,
    public_pem,
    random_base64,
    rfc3339,
    shanghai,
    sign,
    with_body,
    with_content,
    with_header,
    yuan,
)

__all__ = [
    "NOW",
    "SENDERS",
    "AlipaySender",
    "BytedanceSender",
    "Edit",
    "Gift",
    "PartnerSender",
    "Refund",
    "Sender",
    "StripeSender",
    "TencentSender",
    "XiaomiSender",
    "content_of",
    "key",
    "probe_of",
    "public_pem",
    "rfc3339",
    "shanghai",
    "sign",
    "with_body",
    "with_content",
    "with_header",
    "yuan",
]

APP_ID = "2021000000000001"
SELLER_ID = "2088000000000001"
APPID = "wx8888888888888888"
MCHID = "1900000109"
APIV3_KEY = b"0123456789abcdefghijABCDEFGHIJ!?"
SERIAL = "PUB_KEY_ID_0001"


class AlipaySender:
    code = "alipay"
    required: tuple[str, ...] = (
        *("notify_type", "app_id", "seller_id", "trade_no", "trade_status", "total_amount"),
        "gmt_payment",
    )
    signed_headers: tuple[str, ...] = ()
    in_query = False
    signs_spelling = False
    signs_time = False
    names_donor = True
    refunds = True

    def platform(self) -> Platform:
        return Alipay(APP_ID, SELLER_ID, Verifier.from_pem(public_pem("platform")))

    def configure(self, folder: Path) -> str:
        (folder / "alipay.pub.pem").write_bytes(public_pem("platform"))
        return (
            f'[alipay]\napp_id = "{APP_ID}"\nseller_id = "{SELLER_ID}"\n'
            'public_key_file = "alipay.pub.pem"\n'
        )

    def forged(self, notice: Notice) -> Notice:
        head, _, _ = notice.body.partition(b"&sign=")
        return with_body(notice, head + b"&sign=" + quote_plus(random_base64()).encode())

    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = "platform") -> Notice:
        fields = self.fields(gift)
        if edit:
            edit(fields)
        return self.notice(fields, key_name)

    def enveloped(self, gift: Gift, edit: Edit) -> Notice:
        return self.payment(gift, edit)

    def refund(self, gift: Gift, refund: Refund, edit: Edit | None = None) -> Notice:
        fields = self.fields(gift)
        for name in ("receipt_amount", "buyer_pay_amount", "point_amount", "fund_bill_list"):
            del fields[name]  # as real notices of refunds do
        fields |= {
            "out_biz_no": refund.refund_id,
            "refund_fee": yuan(refund.total_fen),
            "gmt_refund": shanghai(refund.paid) + ".287",
        }
        if refund.total_fen >= gift.fen:
            fields |= {"trade_status": "TRADE_CLOSED", "gmt_close": shanghai(refund.paid)}
        if edit:
            edit(fields)
        return self.notice(fields)

    def fields(self, gift: Gift) -> dict[str, object]:
        return {
            "notify_time": shanghai(NOW),
            "notify_type": "trade_status_sync",
            "notify_id": "ac05099524730693a8b330c5ecf72da978",
            "app_id": APP_ID,
            "auth_app_id": APP_ID,
            "charset": "utf-8",
            "version": "1.0",
            "trade_no": gift.external_id,
            "out_trade_no": "6823789339978248",
            "buyer_id": gift.donor,
            "buyer_logon_id": "159****5620",
            "seller_id": SELLER_ID,
            "seller_email": "giving@example.org",
            "trade_status": "TRADE_SUCCESS",
            "total_amount": yuan(gift.fen),
            "receipt_amount": yuan(gift.fen),
            "buyer_pay_amount": yuan(gift.fen),
            "point_amount": "0.00",
            "subject": "爱心捐赠 & more = good + 100%",
            "body": "",
            "gmt_create": shanghai(gift.paid),
            "gmt_payment": shanghai(gift.paid),
            "fund_bill_list": '[{"amount":"12.34","fundChannel":"ALIPAYACCOUNT"}]',
            "passback_params": quote_plus(f"campaign={gift.campaign}&project={gift.project}"),
        }

    def notice(self, fields: Mapping[str, object], key_name: str = "platform") -> Notice:
        return self.notice_of_bytes({n: str(v).encode() for n, v in fields.items()}, key_name)

    def notice_of_bytes(self, fields: Mapping[str, bytes], key_name: str = "platform") -> Notice:
        content = dict(fields)
        text = b"&".join(n.encode() + b"=" + content[n] for n in sorted(content))
        content |= {"sign_type": b"RSA2", "sign": sign(key_name, text).encode()}
        body = "&".join(f"{name}={quote_plus(value)}" for name, value in content.items())
        return Notice.received(
            "POST",
            "",
            [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
            body.encode(),
        )


class TencentSender:
    code = "tencent"
    required: tuple[str, ...] = (
        *("appid", "mchid", "transaction_id", "trade_state", "success_time", "amount"),
    )
    signed_headers: tuple[str, ...] = (
        "wechatpay-timestamp",
        "wechatpay-nonce",
        "wechatpay-serial",
        "wechatpay-signature",
    )
    in_query = False
    signs_spelling = True
    signs_time = True
    names_donor = True
    refunds = True

    def platform(self) -> Platform:
        verifiers = {SERIAL: Verifier.from_pem(public_pem("platform"))}
        return Tencent(APPID, MCHID, AESGCM(APIV3_KEY), verifiers)

    def configure(self, folder: Path) -> str:
        (folder / "tencent.pub.pem").write_bytes(public_pem("platform"))
        (folder / "tencent.apiv3.key").write_bytes(APIV3_KEY)
        return (
            f'[tencent]\nappid = "{APPID}"\nmchid = "{MCHID}"\n'
            'apiv3_key_file = "tencent.apiv3.key"\n'
            f'[tencent.public_keys]\n"{SERIAL}" = "tencent.pub.pem"\n'
        )

    def forged(self, notice: Notice) -> Notice:
        return with_header(notice, "wechatpay-signature", random_base64())

    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = "platform") -> Notice:
        resource = self.transaction(gift)
        if edit:
            edit(resource)
        return self.notice(self.envelope("TRANSACTION.SUCCESS", resource), key_name=key_name)

    def enveloped(self, gift: Gift, edit: Edit) -> Notice:
        envelope = self.envelope("TRANSACTION.SUCCESS", self.transaction(gift))
        edit(envelope)
        return self.notice(envelope)

    def refund(self, gift: Gift, refund: Refund, edit: Edit | None = None) -> Notice:
        resource: dict[str, object] = {
            "mchid": MCHID,
            "transaction_id": gift.external_id,
            "out_trade_no": "1217752501201407033233368018",
            "refund_id": refund.refund_id,
            "out_refund_no": "7752501201407033233368018",
            "refund_status": "SUCCESS",
            "success_time": rfc3339(refund.paid),
            "user_received_account": "招商银行信用卡0403",
            "amount": {
                "total": gift.fen,
                "refund": refund.fen,
                "payer_total": gift.fen,
                "payer_refund": refund.fen,
            },
        }
        if edit:
            edit(resource)
        return self.notice(self.envelope("REFUND.SUCCESS", resource))

    def transaction(self, gift: Gift) -> dict[str, object]:
        return {
            "appid": APPID,
            "mchid": MCHID,
            "out_trade_no": "1217752501201407033233368018",
            "transaction_id": gift.external_id,
            "trade_type": "JSAPI",
            "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功",
            "bank_type": "CMB_DEBIT",
            "attach": f"campaign={gift.campaign}&project={gift.project}",
            "success_time": rfc3339(gift.paid),
            "payer": {"openid": gift.donor},
            "amount": {
                "total": gift.fen,
                "payer_total": gift.fen,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }

    def envelope(
        self, event: str, resource: Mapping[str, object], apiv3_key: bytes = APIV3_KEY
    ) -> dict[str, object]:
        original = "refund" if event.startswith("REFUND") else "transaction"
        nonce = b"fdasflkja484"
        sealed = AESGCM(apiv3_key).encrypt(nonce, json.dumps(resource).encode(), original.encode())
        return {
            "id": "EV-2018022511223320873",
            "create_time": rfc3339(NOW),
            "event_type": event,
            "resource_type": "encrypt-resource",
            "summary": "支付成功",
            "resource": {
                "original_type": original,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": base64.b64encode(sealed).decode(),
                "associated_data": original,
                "nonce": nonce.decode(),
            },
        }

    def notice(
        self,
        envelope: Mapping[str, object] | bytes,
        *,
        key_name: str = "platform",
        serial: str = SERIAL,
        timestamp: str = str(int(NOW.timestamp())),
    ) -> Notice:
        body = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
        nonce = "c5ac7061fccab6bf3e254dcf98995b8c"
        signature = sign(key_name, f"{timestamp}\n{nonce}\n".encode() + body + b"\n")
        return Notice.received(
            "POST",
            "",
            [
                ("Content-Type", "application/json"),
                ("Wechatpay-Serial", serial),
                ("Wechatpay-Signature", signature),
                ("Wechatpay-Timestamp", timestamp),
                ("Wechatpay-Nonce", nonce),
                ("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048"),
            ],
            body,
        )


SENDERS: tuple[Sender, ...] = (
    AlipaySender(),
    TencentSender(),
    BytedanceSender(),
    XiaomiSender(),
    PartnerSender("weibo"),
    PartnerSender("qingsongchou"),
    StripeSender(),
)


def probe_of(sender: Sender, notice: Notice) -> Notice | None:
    """The notice as a platform sends it to test whether signatures are verified; None if it has no
    such tests."""
    if isinstance(sender, TencentSender):
        return with_header(notice, "wechatpay-signature", "WECHATPAY/SIGNTEST/abc+/=")
    return None
