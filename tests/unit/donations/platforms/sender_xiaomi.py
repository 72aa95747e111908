"""Xiaomi's side of its notices."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from services.donations.platforms.protocol import Notice, Platform
from services.donations.platforms.xiaomi import Xiaomi
from tests.unit.donations.platforms.sending import Edit, Gift, Refund, secret, shanghai

XIAOMI_APP_ID = "2882303761517239138"


class XiaomiSender:
    code = "xiaomi"
    required: tuple[str, ...] = ("appId", "orderId", "orderStatus", "payFee", "payTime")
    signed_headers: tuple[str, ...] = ()
    in_query = True
    signs_spelling = False
    signs_time = False
    names_donor = True
    refunds = False

    def platform(self) -> Platform:
        return Xiaomi(XIAOMI_APP_ID, (secret("platform"),))

    def configure(self, folder: Path) -> str:
        (folder / "xiaomi.secret").write_bytes(secret("platform") + b"\n")
        return f'[xiaomi]\napp_id = "{XIAOMI_APP_ID}"\napp_secret_files = ["xiaomi.secret"]\n'

    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = "platform") -> Notice:
        fields: dict[str, object] = {
            "appId": XIAOMI_APP_ID,
            "cpOrderId": "9786bffc-996d-4553-aa33-f7e92c0b29d5",
            "cpUserInfo": quote(f"campaign={gift.campaign}&project={gift.project}"),
            "orderConsumeType": "10",
            "orderId": gift.external_id,
            "orderStatus": "TRADE_SUCCESS",
            "payFee": str(gift.fen),
            "payTime": shanghai(gift.paid),
            "productCode": "com.demo_1",
            "productCount": "1",
            "productName": "爱心1份",
            "uid": gift.donor,
        }
        if edit:
            edit(fields)
        return self.notice(fields, key_name)

    def enveloped(self, gift: Gift, edit: Edit) -> Notice:
        return self.payment(gift, edit)

    def refund(self, gift: Gift, refund: Refund, edit: Edit | None = None) -> Notice:
        raise NotImplementedError("Xiaomi sends no notices of refunds")

    def forged(self, notice: Notice) -> Notice:
        head, _, _ = notice.query.partition("&signature=")
        return replace(notice, query=f"{head}&signature={'0f' * 20}")

    def notice(self, fields: Mapping[str, object], key_name: str = "platform") -> Notice:
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name])
        signature = hmac.new(secret(key_name), text.encode(), hashlib.sha1).hexdigest()
        query = "&".join(f"{name}={quote(str(value))}" for name, value in fields.items())
        return Notice.received("GET", f"{query}&signature={signature}", [], b"")
