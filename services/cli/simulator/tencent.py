"""WeChat Pay's side of its v3 notices: signed headers around a sealed resource."""

import base64
import json
import secrets
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.cli.simulator.keys import TencentKeys
from services.cli.simulator.notice import Notice, whole_units
from services.cli.simulator.occasion import SHANGHAI
from services.cli.simulator.reports import Dispute, Gift, Kind, Refund, Report


class Tencent:
    """Signs and seals notices of payments and refunds. Each refund states its own amount."""

    partner = "tencent"

    def __init__(self, keys: TencentKeys, forger: rsa.RSAPrivateKey) -> None:
        self._keys = keys
        self._forger = forger
        self._cipher = AESGCM(keys.apiv3_key)

    def notice(self, report: Report, now: datetime) -> Notice:
        """A JSON POST. A forged one is signed by a key that is not WeChat Pay's.

        A probe's signature is marked as one that must not verify.
        """
        subject = report.subject
        assert not isinstance(subject, Dispute), "WeChat Pay's notices tell no disputes"
        if isinstance(subject, Refund):
            body = self._body("REFUND.SUCCESS", "refund", self._refund(subject), now)
        else:
            body = self._body("TRANSACTION.SUCCESS", "transaction", self._gift(subject), now)
        timestamp, nonce = str(int(now.timestamp())), secrets.token_hex(16)
        key = self._forger if report.kind is Kind.FORGED else self._keys.private_key
        signature = sign(timestamp, nonce, body, key)
        if report.kind is Kind.PROBE:
            signature = f"WECHATPAY/SIGNTEST/{signature}"
        return Notice(
            {
                "Content-Type": "application/json",
                "Wechatpay-Serial": self._keys.serial,
                "Wechatpay-Signature": signature,
                "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
                "Wechatpay-Timestamp": timestamp,
                "Wechatpay-Nonce": nonce,
            },
            body,
        )

    def acknowledged(self, status: int, body: bytes) -> bool:
        """200 or 204, with no body or one whose code is SUCCESS."""
        if status not in (200, 204):
            return False
        if not body.strip():
            return True
        try:
            answer = json.loads(body)
        except ValueError:
            return False
        return isinstance(answer, dict) and answer.get("code") == "SUCCESS"

    def _body(self, event: str, original: str, resource: dict[str, Any], now: datetime) -> bytes:
        nonce = secrets.token_hex(6)
        plain = json.dumps(resource, ensure_ascii=False).encode("utf-8")
        sealed = self._cipher.encrypt(nonce.encode("ascii"), plain, original.encode("ascii"))
        return json.dumps(
            {
                "id": str(uuid.uuid4()),
                "create_time": _local(now),
                "resource_type": "encrypt-resource",
                "event_type": event,
                "summary": "支付成功" if original == "transaction" else "退款成功",
                "resource": {
                    "original_type": original,
                    "algorithm": "AEAD_AES_256_GCM",
                    "ciphertext": base64.b64encode(sealed).decode("ascii"),
                    "associated_data": original,
                    "nonce": nonce,
                },
            },
            ensure_ascii=False,
        ).encode("utf-8")

    def _gift(self, gift: Gift) -> dict[str, Any]:
        fen = whole_units(gift.amount_micros)
        resource = {
            "appid": self._keys.appid,
            "mchid": self._keys.mchid,
            "out_trade_no": f"M{gift.external_id}",
            "transaction_id": gift.external_id,
            "trade_type": "JSAPI",
            "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功",
            "bank_type": "OTHERS",
            "success_time": _local(gift.event_time),
            "payer": {"openid": gift.donor},
            "amount": {
                "total": fen,
                "payer_total": fen,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }
        if gift.project:
            resource["attach"] = urlencode({"campaign": gift.campaign, "project": gift.project})
        return resource

    def _refund(self, refund: Refund) -> dict[str, Any]:
        total, back = whole_units(refund.gift.amount_micros), whole_units(refund.amount_micros)
        return {
            "mchid": self._keys.mchid,
            "out_trade_no": f"M{refund.gift.external_id}",
            "transaction_id": refund.gift.external_id,
            "out_refund_no": f"M{refund.refund_id}",
            "refund_id": refund.refund_id,
            "refund_status": "SUCCESS",
            "success_time": _local(refund.event_time),
            "user_received_account": "支付用户零钱",
            "amount": {"total": total, "refund": back, "payer_total": total, "payer_refund": back},
        }


def sign(timestamp: str, nonce: str, body: bytes, key: rsa.RSAPrivateKey) -> str:
    """The signature over timestamp, nonce and body, each followed by a newline, in base64."""
    text = f"{timestamp}\n{nonce}\n".encode("ascii") + body + b"\n"
    signature = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode("ascii")


def _local(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).isoformat(timespec="seconds")
