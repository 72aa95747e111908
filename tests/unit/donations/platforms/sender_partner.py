"""A company's side of the partner protocol, written from docs/partner-protocol.md."""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.donations.platforms.partner_protocol import PartnerProtocol
from services.donations.platforms.protocol import Notice, Platform
from services.donations.platforms.signature import Ed25519Verifier
from tests.unit.donations.platforms.sending import (
    NOW,
    Dispute,
    Edit,
    Gift,
    Refund,
    random_base64,
    rfc3339,
    with_header,
    yuan,
)

KEY_ID = "2026-09"
NONCE = "c5ac7061fccab6bf3e254dcf98995b8c"

_RAILS = {"1": "tencent", "2": "alipay"}

Items = list[dict[str, object]]


@cache
def ed25519_key(name: str) -> Ed25519PrivateKey:
    """A test key, the same for the same name."""
    return Ed25519PrivateKey.generate()


def ed25519_pem(name: str) -> bytes:
    public = ed25519_key(name).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class PartnerSender:
    required: tuple[str, ...] = ("external_id", "amount", "currency", "time")
    signed_headers: tuple[str, ...] = (
        "watersmeet-timestamp",
        "watersmeet-nonce",
        "watersmeet-key-id",
        "watersmeet-signature",
    )
    in_query = False
    signs_spelling = True
    signs_time = True
    names_donor = True
    refunds = True

    def __init__(self, code: str) -> None:
        self.code = code

    def platform(self) -> Platform:
        verifier = Ed25519Verifier.from_pem(ed25519_pem("platform"))
        return PartnerProtocol(self.code, {KEY_ID: verifier})

    def configure(self, folder: Path) -> str:
        (folder / "partner.pub.pem").write_bytes(ed25519_pem("platform"))
        return f'[{self.code}.keys]\n"{KEY_ID}" = "partner.pub.pem"\n'

    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = "platform") -> Notice:
        item = self.gift(gift)
        if edit:
            edit(item)
        return self.notice(self.content([item], [], gift_sum=yuan(gift.fen)), key_name=key_name)

    def enveloped(self, gift: Gift, edit: Edit) -> Notice:
        content = self.content([self.gift(gift)], [], gift_sum=yuan(gift.fen))
        edit(content)
        return self.notice(content)

    def refund(self, gift: Gift, refund: Refund, edit: Edit | None = None) -> Notice:
        item: dict[str, object] = {
            "external_id": gift.external_id,
            "refund_id": refund.refund_id,
            "amount": yuan(refund.fen),
            "currency": "CNY",
            "time": rfc3339(refund.paid),
        }
        if edit:
            edit(item)
        return self.notice(self.content([], [item], refund_sum=yuan(refund.fen)))

    def dispute(self, gift: Gift, dispute: Dispute) -> Notice:
        item = {
            "external_id": gift.external_id,
            "dispute_id": dispute.dispute_id,
            "status": dispute.status,
            "amount": yuan(dispute.fen),
            "currency": "CNY",
            "time": rfc3339(dispute.at),
        }
        content = self.content([], [])
        totals = {"count": 1, "sum": {"CNY": yuan(dispute.fen)}}
        content["disputes"] = [item]
        content["totals"] |= {"disputes": totals}  # type: ignore[operator]
        return self.notice(content)

    def forged(self, notice: Notice) -> Notice:
        return with_header(notice, "watersmeet-signature", random_base64(64))

    def gift(self, gift: Gift) -> dict[str, object]:
        return {
            "external_id": gift.external_id,
            "project": gift.project,
            "campaign": gift.campaign,
            "amount": yuan(gift.fen),
            "currency": "CNY",
            "time": rfc3339(gift.paid),
            "donor_reference": gift.donor,
            **({"rail": _RAILS[gift.way], "rail_id": gift.rail_id} if gift.rail_id else {}),
        }

    def content(
        self, gifts: Items, refunds: Items, *, gift_sum: str = "", refund_sum: str = ""
    ) -> dict[str, object]:
        return {
            "partner": self.code,
            "gifts": gifts,
            "refunds": refunds,
            "totals": {
                "gifts": {"count": len(gifts), "sum": {"CNY": gift_sum} if gifts else {}},
                "refunds": {"count": len(refunds), "sum": {"CNY": refund_sum} if refunds else {}},
            },
        }

    def notice(
        self,
        content: Mapping[str, object] | bytes,
        *,
        key_name: str = "platform",
        timestamp: str = str(int(NOW.timestamp())),
        nonce: str = NONCE,
    ) -> Notice:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        text = f"{timestamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}\n"
        signature = base64.b64encode(ed25519_key(key_name).sign(text.encode())).decode()
        headers = [
            ("Content-Type", "application/json"),
            ("Watersmeet-Timestamp", timestamp),
            ("Watersmeet-Nonce", nonce),
            ("Watersmeet-Key-Id", KEY_ID),
            ("Watersmeet-Signature", signature),
        ]
        return Notice.received("POST", "", headers, body)
