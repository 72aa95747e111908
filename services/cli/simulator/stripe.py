"""Stripe's side of its events: JSON, signed with HMAC-SHA256 and the time of sending."""

import hashlib
import hmac
import json
import secrets
from datetime import datetime
from typing import Any

from services.cli.simulator.keys import StripeKeys
from services.cli.simulator.notice import Notice, whole_units
from services.cli.simulator.reports import Dispute, DisputeStatus, Gift, Kind, Refund, Report


class Stripe:
    """Signs events of charges and disputes, in several currencies.

    A refund states the sum of all so far.
    """

    partner = "stripe"

    def __init__(self, keys: StripeKeys) -> None:
        self._keys = keys
        self._forged_secret = f"whsec_{secrets.token_hex(16)}"

    def notice(self, report: Report, now: datetime) -> Notice:
        """A JSON POST. A forged one is signed with another secret than the endpoint's."""
        subject = report.subject
        if isinstance(subject, Refund):
            charge = _charge(subject.gift) | {
                "amount_refunded": whole_units(subject.total_micros, subject.gift.currency)
            }
            event = _event("charge.refunded", subject.refund_id, charge, subject.event_time)
        elif isinstance(subject, Dispute):
            event = _dispute(subject)
        else:
            charge = _charge(subject)
            event = _event("charge.succeeded", subject.external_id, charge, subject.event_time)
        body = json.dumps(event).encode("utf-8")
        secret = self._forged_secret if report.kind is Kind.FORGED else self._keys.secret
        time = int(now.timestamp())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": f"t={time},v1={sign(time, body, secret)}",
        }
        return Notice(headers, body)

    def acknowledged(self, status: int, body: bytes) -> bool:  # noqa: ARG002  Stripe reads none
        """Any 2xx."""
        return 200 <= status < 300


def _event(kind: str, name: str, thing: dict[str, Any], created: datetime) -> dict[str, Any]:
    return {
        "id": f"evt_{name}",
        "object": "event",
        "api_version": "2025-03-31.basil",
        "created": int(created.timestamp()),
        "livemode": False,
        "type": kind,
        "data": {"object": thing},
    }


def _charge(gift: Gift) -> dict[str, Any]:
    units = whole_units(gift.amount_micros, gift.currency)
    attribution = {"campaign": gift.campaign, "project": gift.project} if gift.project else {}
    return {
        "id": f"ch_{gift.external_id}",
        "object": "charge",
        "payment_intent": gift.external_id,
        "amount": units,
        "amount_captured": units,
        "amount_refunded": 0,
        "captured": True,
        "currency": gift.currency.lower(),
        "created": int(gift.event_time.timestamp()),
        "customer": f"cus_{gift.donor}",
        "metadata": attribution,
        "livemode": False,
        "status": "succeeded",
    }


def _dispute(dispute: Dispute) -> dict[str, Any]:
    gift, is_open = dispute.gift, dispute.status is DisputeStatus.OPENED
    thing = {
        "id": dispute.dispute_id,
        "object": "dispute",
        "amount": whole_units(dispute.amount_micros, gift.currency),
        "charge": f"ch_{gift.external_id}",
        "created": int(dispute.event_time.timestamp()),
        "currency": gift.currency.lower(),
        "payment_intent": gift.external_id,
        "reason": "general",
        "livemode": False,
        "status": "needs_response" if is_open else dispute.status.value,
    }
    kind = "created" if is_open else "closed"
    name = f"{dispute.dispute_id}_{kind}"
    return _event(f"charge.dispute.{kind}", name, thing, dispute.event_time)


def sign(time: int, body: bytes, secret: str) -> str:
    """The signature over the time and the body, in hex."""
    return hmac.new(secret.encode("ascii"), b"%d." % time + body, hashlib.sha256).hexdigest()
