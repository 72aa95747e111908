"""Douyin's side of its callbacks."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from services.donations.platforms.bytedance import Bytedance
from services.donations.platforms.protocol import Notice, Platform
from tests.unit.donations.platforms.sending import NOW, Edit, Gift, Refund, secret, with_body

BYTEDANCE_APPID = "tt07e3715e98c9aac0"


class BytedanceSender:
    code = "bytedance"
    required: tuple[str, ...] = ("appid", "order_id", "total_amount", "status", "paid_at")
    signed_headers: tuple[str, ...] = ()
    in_query = False
    signs_spelling = False
    signs_time = False
    names_donor = False
    refunds = True

    def platform(self) -> Platform:
        return Bytedance(BYTEDANCE_APPID, (secret("platform"),))

    def configure(self, folder: Path) -> str:
        (folder / "bytedance.token").write_bytes(secret("platform") + b"\n")
        return f'[bytedance]\nappid = "{BYTEDANCE_APPID}"\ntoken_files = ["bytedance.token"]\n'

    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = "platform") -> Notice:
        message: dict[str, object] = {
            "appid": BYTEDANCE_APPID,
            "cp_orderno": "out_order_no_1",
            "cp_extra": f"campaign={gift.campaign}&project={gift.project}",
            "way": gift.way,
            "channel_no": gift.rail_id or f"2022052622001412{gift.external_id[-12:]}",
            "payment_order_no": "PCP2022052617264302021103940115",
            "total_amount": gift.fen,
            "status": "SUCCESS",
            "seller_uid": "69631798443938962290",
            "item_id": "",
            "paid_at": int(gift.paid.timestamp()),
            "order_id": gift.external_id,
        }
        if edit:
            edit(message)
        return self.notice("payment", message, key_name)

    def enveloped(self, gift: Gift, edit: Edit) -> Notice:
        notice = self.payment(gift)
        callback = json.loads(notice.body)
        edit(callback)
        return with_body(notice, json.dumps(callback).encode())

    def refund(self, gift: Gift, refund: Refund, edit: Edit | None = None) -> Notice:
        message: dict[str, object] = {
            "appid": BYTEDANCE_APPID,
            "cp_refundno": "out_refund_no_1",
            "cp_extra": "",
            "status": "SUCCESS",
            "refund_amount": refund.fen,
            "is_all_settled": False,
            "refunded_at": int(refund.paid.timestamp()),
            "message": "",
            "order_id": gift.external_id,
            "refund_no": refund.refund_id,
        }
        if edit:
            edit(message)
        return self.notice("refund", message)

    def forged(self, notice: Notice) -> Notice:
        head, _, _ = notice.body.partition(b'"msg_signature"')
        return with_body(notice, head + b'"msg_signature": "' + b"0f" * 20 + b'"}')

    def notice(
        self,
        kind: str,
        message: Mapping[str, object],
        key_name: str = "platform",
        timestamp: str = str(int(NOW.timestamp())),
    ) -> Notice:
        msg, nonce, token = json.dumps(message), "797", secret(key_name).decode()
        text = "".join(sorted([token, timestamp, nonce, msg]))
        callback = {
            "timestamp": timestamp,
            "nonce": nonce,
            "msg": msg,
            "type": kind,
            "msg_signature": hashlib.sha1(text.encode()).hexdigest(),
        }
        headers = [("Content-Type", "application/json")]
        return Notice.received("POST", "", headers, json.dumps(callback).encode())
