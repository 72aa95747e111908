"""Xiaomi's side of its notices: a GET whose parameters are signed with HMAC-SHA1."""

import hashlib
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

from services.cli.simulator.keys import XiaomiKeys
from services.cli.simulator.notice import Notice, is_json_with, whole_units
from services.cli.simulator.occasion import SHANGHAI
from services.cli.simulator.reports import Gift, Kind, Report


class Xiaomi:
    """Signs notices of payments. It has none of refunds."""

    partner = "xiaomi"

    def __init__(self, keys: XiaomiKeys) -> None:
        self._keys = keys
        self._forged_secret = secrets.token_hex(16)

    def notice(self, report: Report, now: datetime) -> Notice:  # noqa: ARG002  no time is signed
        """A GET. A forged one is signed with another secret than the application's."""
        gift = report.subject
        assert isinstance(gift, Gift), "Xiaomi tells no refunds"
        attribution = urlencode({"campaign": gift.campaign, "project": gift.project})
        fields = {
            "appId": self._keys.app_id,
            "cpOrderId": f"M{gift.external_id}",
            # Encoded once more, as it must hold no ampersand of its own.
            "cpUserInfo": quote(attribution, safe="") if gift.project else "",
            "uid": gift.donor,
            "orderId": gift.external_id,
            "orderStatus": "TRADE_SUCCESS",
            "payFee": str(whole_units(gift.amount_micros)),
            "productCode": "gift",
            "productName": "公益捐赠",
            "productCount": "1",
            "payTime": gift.event_time.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S"),
        }
        secret = self._forged_secret if report.kind is Kind.FORGED else self._keys.secret
        fields["signature"] = sign(fields, secret)
        return Notice({}, b"", "GET", urlencode(fields))

    def acknowledged(self, status: int, body: bytes) -> bool:
        """200 with errcode 200."""
        return status == 200 and is_json_with(body, "errcode", 200)


def sign(fields: dict[str, str], secret: str) -> str:
    """The signature over all fields that have a value, in hex."""
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()) if value)
    return hmac.new(secret.encode("ascii"), text.encode("utf-8"), hashlib.sha1).hexdigest()
