"""The partner protocol's other side: JSON with control totals, and an Ed25519 signature."""

import base64
import hashlib
import json
import secrets
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.cli.simulator.keys import PartnerKeys
from services.cli.simulator.notice import Notice, is_json_with
from services.cli.simulator.occasion import SHANGHAI
from services.cli.simulator.reports import Gift, Kind, Refund, Report


class SignedJson:
    """Signs one partner's gifts and refunds, one a notice. Each refund states its own amount."""

    def __init__(self, partner: str, keys: PartnerKeys) -> None:
        self.partner = partner
        self._keys = keys
        self._forger = Ed25519PrivateKey.generate()

    def notice(self, report: Report, now: datetime) -> Notice:
        """A JSON POST. A forged one is signed by a key that is not the partner's."""
        subject = report.subject
        gifts = [_gift(subject)] if isinstance(subject, Gift) else []
        refunds = [_refund(subject)] if isinstance(subject, Refund) else []
        content = {
            "partner": self.partner,
            "gifts": gifts,
            "refunds": refunds,
            "totals": {"gifts": _total(gifts), "refunds": _total(refunds)},
        }
        body = json.dumps(content).encode("utf-8")
        timestamp, nonce = str(int(now.timestamp())), secrets.token_urlsafe(18)
        key = self._forger if report.kind is Kind.FORGED else self._keys.private_key
        return Notice(
            {
                "Content-Type": "application/json",
                "Watersmeet-Timestamp": timestamp,
                "Watersmeet-Nonce": nonce,
                "Watersmeet-Key-Id": self._keys.key_id,
                "Watersmeet-Signature": sign(timestamp, nonce, body, key),
            },
            body,
        )

    def acknowledged(self, status: int, body: bytes) -> bool:
        """200 that says it was received."""
        return status == 200 and is_json_with(body, "received", True)


def _gift(gift: Gift) -> dict[str, Any]:
    return {
        "external_id": gift.external_id,
        "amount": _decimal(gift.amount_micros),
        "currency": gift.currency,
        "time": _time(gift.event_time),
        "project": gift.project,
        "campaign": gift.campaign,
        "donor_reference": gift.donor,
    }


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "external_id": refund.gift.external_id,
        "refund_id": refund.refund_id,
        "amount": _decimal(refund.amount_micros),
        "currency": refund.gift.currency,
        "time": _time(refund.event_time),
    }


def _total(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Of a list with at most one report."""
    return {"count": len(reports), "sum": {r["currency"]: r["amount"] for r in reports}}


def _decimal(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def _time(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).isoformat(timespec="microseconds")


def sign(timestamp: str, nonce: str, body: bytes, key: Ed25519PrivateKey) -> str:
    """The signature over timestamp, nonce and the body's SHA-256, in base64."""
    text = f"{timestamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}\n"
    return base64.b64encode(key.sign(text.encode("ascii"))).decode("ascii")
