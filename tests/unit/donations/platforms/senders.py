"""The platforms' side, written from their documents for the tests alone.

A Sender makes one platform's notices and signs them with a test key. The contract kit drives every
platform through it; a further platform adds its Sender to SENDERS.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Protocol
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.donations.platforms.alipay import Alipay
from services.donations.platforms.protocol import Notice, Platform
from services.donations.platforms.signature import Verifier
from services.donations.platforms.tencent import Tencent

NOW = datetime(2026, 9, 5, 4, 0, 0, tzinfo=UTC)

APP_ID = "2021000000000001"
SELLER_ID = "2088000000000001"
APPID = "wx8888888888888888"
MCHID = "1900000109"
APIV3_KEY = b"0123456789abcdefghijABCDEFGHIJ!?"
SERIAL = "PUB_KEY_ID_0001"

Edit = Callable[[dict[str, object]], object]


@dataclass(frozen=True)
class Gift:
    """A gift as a test thinks of it."""

    external_id: str = "4200001234202609051234567890"
    campaign: str = "harvest"
    project: str = "library"
    fen: int = 1234
    donor: str = "2088102122524333"
    paid: datetime = NOW - timedelta(minutes=1)


@dataclass(frozen=True)
class Refund:
    """A refund of a gift. total_fen: all its refunds so far, this one included."""

    refund_id: str = "R-1"
    fen: int = 234
    total_fen: int = 234
    paid: datetime = NOW - timedelta(seconds=30)


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A test key, the same for the same name."""
    return rsa.generate_private_key(65537, 2048)


def public_pem(name: str) -> bytes:
    return key(name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(name: str, text: bytes) -> str:
    raw = key(name).sign(text, padding.PKCS1v15(), SHA256())
    return base64.b64encode(raw).decode()


class Sender(Protocol):
    """One platform's side of the wire.

    edit changes the notice's content before it is signed. required: fields without which a
    payment's notice is malformed.
    """

    code: str
    required: tuple[str, ...]
    signed_headers: tuple[str, ...]

    def platform(self) -> Platform: ...
    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = ...) -> Notice: ...
    def refund(self, gift: Gift, refund: Refund, edit: Edit | None = None) -> Notice: ...


class AlipaySender:
    code = "alipay"
    required: tuple[str, ...] = (
        *("notify_type", "app_id", "seller_id", "trade_no", "trade_status", "total_amount"),
        "gmt_payment",
    )
    signed_headers: tuple[str, ...] = ()

    def platform(self) -> Platform:
        return Alipay(APP_ID, SELLER_ID, Verifier.from_pem(public_pem("platform")))

    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = "platform") -> Notice:
        fields = self.fields(gift)
        if edit:
            edit(fields)
        return self.notice(fields, key_name)

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

    def platform(self) -> Platform:
        verifiers = {SERIAL: Verifier.from_pem(public_pem("platform"))}
        return Tencent(APPID, MCHID, APIV3_KEY, verifiers)

    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = "platform") -> Notice:
        resource = self.transaction(gift)
        if edit:
            edit(resource)
        return self.notice(self.envelope("TRANSACTION.SUCCESS", resource), key_name=key_name)

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


SENDERS: tuple[Sender, ...] = (AlipaySender(), TencentSender())


def with_body(notice: Notice, body: bytes) -> Notice:
    return replace(notice, body=body)


def with_header(notice: Notice, name: str, value: str) -> Notice:
    return replace(notice, headers={**notice.headers, name: value})


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def shanghai(time: datetime) -> str:
    return time.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d %H:%M:%S")


def rfc3339(time: datetime) -> str:
    return time.astimezone(ZoneInfo("Asia/Shanghai")).isoformat(timespec="seconds")
