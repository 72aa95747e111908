"""Douyin's side of its callbacks: JSON in a text within JSON, and a SHA-1 over the sorted parts."""

import hashlib
import json
import secrets
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from services.cli.simulator.keys import BytedanceKeys
from services.cli.simulator.notice import Notice, is_json_with, whole_units
from services.cli.simulator.reports import Gift, Kind, Refund, Report, Subject

# How Douyin writes which company's channel a payment went through; 10 is its own.
_WAYS = {"tencent": "1", "alipay": "2"}
_OWN_WAY = "10"


class Bytedance:
    """Signs callbacks of payments and refunds. Each refund states its own amount.

    A payment on another company's rail names it, and that company's number of the payment.
    """

    partner = "bytedance"

    def __init__(self, keys: BytedanceKeys) -> None:
        self._keys = keys
        self._forged_token = secrets.token_hex(16)

    def notice(self, report: Report, now: datetime) -> Notice:
        """A JSON POST. A forged one is signed with another token than the merchant's."""
        is_refund = isinstance(report.subject, Refund)
        message = _refund(report.subject) if is_refund else _payment(report.subject)
        text = json.dumps({"appid": self._keys.appid, **message}, ensure_ascii=False)
        token = self._forged_token if report.kind is Kind.FORGED else self._keys.token
        timestamp, nonce = str(int(now.timestamp())), str(secrets.randbelow(10**9))
        body = {
            "timestamp": timestamp,
            "nonce": nonce,
            "msg": text,
            "type": "refund" if is_refund else "payment",
            "msg_signature": sign(token, timestamp, nonce, text),
        }
        return Notice({"Content-Type": "application/json"}, json.dumps(body).encode("utf-8"))

    def acknowledged(self, status: int, body: bytes) -> bool:
        """200 with err_no 0."""
        return status == 200 and is_json_with(body, "err_no", 0)


def _payment(subject: Subject) -> dict[str, Any]:
    assert isinstance(subject, Gift)
    rail = subject.rail
    message = {
        "cp_orderno": f"M{subject.external_id}",
        "way": _WAYS[rail.partner] if rail else _OWN_WAY,
        "channel_no": rail.external_id if rail else f"C{subject.external_id}",
        "payment_order_no": f"P{subject.external_id}",
        "total_amount": whole_units(subject.amount_micros),
        "status": "SUCCESS",
        "seller_uid": "7000000000000095",
        "paid_at": int(subject.event_time.timestamp()),
        "order_id": subject.external_id,
    }
    if subject.project:
        extra = {"campaign": subject.campaign, "project": subject.project}
        message["cp_extra"] = urlencode(extra)
    return message


def _refund(subject: Subject) -> dict[str, Any]:
    assert isinstance(subject, Refund)
    return {
        "cp_refundno": f"M{subject.refund_id}",
        "status": "SUCCESS",
        "refund_amount": whole_units(subject.amount_micros),
        "refunded_at": int(subject.event_time.timestamp()),
        "order_id": subject.gift.external_id,
        "refund_no": subject.refund_id,
    }


def sign(token: str, timestamp: str, nonce: str, message: str) -> str:
    """The SHA-1 of the four parts, sorted and joined with nothing between, in hex."""
    text = "".join(sorted([token, timestamp, nonce, message]))
    return hashlib.sha1(text.encode("utf-8"), usedforsecurity=False).hexdigest()
