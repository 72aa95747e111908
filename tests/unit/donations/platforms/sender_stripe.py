"""Stripe's side of its events."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path

from services.donations.platforms.protocol import Notice, Platform
from services.donations.platforms.stripe import Stripe
from tests.unit.donations.platforms.sending import (
    NOW,
    Dispute,
    Edit,
    Gift,
    Refund,
    secret,
    with_header,
)


class StripeSender:
    code = "stripe"
    required: tuple[str, ...] = (
        *("amount", "amount_captured", "captured", "created", "currency", "metadata", "status"),
        "payment_intent",
    )
    signed_headers: tuple[str, ...] = ("stripe-signature",)
    in_query = False
    signs_spelling = True
    signs_time = True
    names_donor = True
    refunds = True

    def platform(self) -> Platform:
        return Stripe(True, "charge", (secret("platform"),))

    def configure(self, folder: Path) -> str:
        (folder / "stripe.secret").write_bytes(secret("platform") + b"\n")
        return (
            '[stripe]\nlivemode = true\ngifts_from = "charge"\n'
            'signing_secret_files = ["stripe.secret"]\n'
        )

    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = "platform") -> Notice:
        charge = self.charge(gift)
        if edit:
            edit(charge)
        return self.notice(self.event("charge.succeeded", charge), key_name=key_name)

    def enveloped(self, gift: Gift, edit: Edit) -> Notice:
        event = self.event("charge.succeeded", self.charge(gift))
        edit(event)
        return self.notice(event)

    def refund(self, gift: Gift, refund: Refund, edit: Edit | None = None) -> Notice:
        charge = self.charge(gift) | {
            "amount_refunded": refund.total_fen,
            "refunded": refund.total_fen >= gift.fen,
        }
        if edit:
            edit(charge)
        event = self.event("charge.refunded", charge)
        event |= {"id": refund.refund_id, "created": int(refund.paid.timestamp())}
        return self.notice(event)

    def dispute(self, gift: Gift, dispute: Dispute) -> Notice:
        is_open = dispute.status == "opened"
        thing = {
            "id": dispute.dispute_id,
            "object": "dispute",
            "amount": dispute.fen,
            "charge": "ch_3MmlLrLkdIwHu7ix0snN0B15",
            "created": int((dispute.at if is_open else gift.paid).timestamp()),
            "currency": "cny",
            "payment_intent": gift.external_id,
            "reason": "general",
            "status": "needs_response" if is_open else dispute.status,
        }
        event = self.event(f"charge.dispute.{'created' if is_open else 'closed'}", thing)
        return self.notice(event | {"created": int(dispute.at.timestamp())})

    def forged(self, notice: Notice) -> Notice:
        timestamp = str(int(NOW.timestamp()))
        return with_header(notice, "stripe-signature", f"t={timestamp},v1={'0f' * 32}")

    def charge(self, gift: Gift) -> dict[str, object]:
        return {
            "id": "ch_3MmlLrLkdIwHu7ix0snN0B15",
            "object": "charge",
            "amount": gift.fen,
            "amount_captured": gift.fen,
            "amount_refunded": 0,
            "captured": True,
            "created": int(gift.paid.timestamp()),
            "currency": "cny",
            "customer": gift.donor,
            "metadata": {"campaign": gift.campaign, "project": gift.project},
            "paid": True,
            "payment_intent": gift.external_id,
            "refunded": False,
            "status": "succeeded",
        }

    def intent(self, gift: Gift) -> dict[str, object]:
        return {
            "id": gift.external_id,
            "object": "payment_intent",
            "amount": gift.fen,
            "amount_received": gift.fen,
            "created": int(gift.paid.timestamp()) - 5,
            "currency": "cny",
            "customer": gift.donor,
            "latest_charge": "ch_3MmlLrLkdIwHu7ix0snN0B15",
            "metadata": {"campaign": gift.campaign, "project": gift.project},
            "status": "succeeded",
        }

    def event(self, kind: str, thing: Mapping[str, object]) -> dict[str, object]:
        return {
            "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy",
            "object": "event",
            "api_version": "2022-11-15",
            "created": int(NOW.timestamp()) - 20,
            "data": {"object": thing},
            "livemode": True,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }

    def notice(
        self,
        event: Mapping[str, object],
        *,
        key_name: str = "platform",
        timestamp: str = str(int(NOW.timestamp())),
    ) -> Notice:
        body = json.dumps(event, indent=2).encode()
        signed = timestamp.encode() + b"." + body
        v1 = hmac.new(secret(key_name), signed, hashlib.sha256).hexdigest()
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Stripe-Signature", f"t={timestamp},v1={v1}"),
        ]
        return Notice.received("POST", "", headers, body)
