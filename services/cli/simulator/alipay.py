"""Alipay's side of its asynchronous notices: the form, and its SHA256withRSA signature."""

import base64
import json
import secrets
from datetime import datetime
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from services.cli.simulator.keys import AlipayKeys
from services.cli.simulator.notice import Notice, yuan
from services.cli.simulator.occasion import SHANGHAI
from services.cli.simulator.reports import Dispute, Gift, Kind, Refund, Report, gift_of


class Alipay:
    """Signs notices of payments and refunds.

    A refund's notice is the payment's notice again with `refund_fee`, the running total of all
    refunds so far, and closes the trade when everything was given back.
    """

    partner = "alipay"

    def __init__(self, keys: AlipayKeys, forger: rsa.RSAPrivateKey) -> None:
        self._keys = keys
        self._forger = forger

    def notice(self, report: Report, now: datetime) -> Notice:
        """A form POST. A forged one is signed by a key that is not Alipay's."""
        subject = report.subject
        assert not isinstance(subject, Dispute), "Alipay's notices tell no disputes"
        fields = self._payment(gift_of(subject), now)
        if isinstance(subject, Refund):
            fields |= {
                "out_biz_no": subject.refund_id,
                "refund_fee": yuan(subject.total_micros),
                # With thousandths, as Alipay writes this one time.
                "gmt_refund": _local(subject.event_time) + ".000",
            }
            if subject.total_micros == subject.gift.amount_micros:
                fields |= {"trade_status": "TRADE_CLOSED", "gmt_close": _local(subject.event_time)}
        key = self._forger if report.kind is Kind.FORGED else self._keys.private_key
        fields |= {"sign_type": "RSA2", "sign": sign(fields, key)}
        return Notice(
            {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            urlencode(fields).encode("ascii"),
        )

    def acknowledged(self, status: int, body: bytes) -> bool:
        """Only the plain text `success` stops the retries."""
        return status == 200 and body.strip() == b"success"

    def _payment(self, gift: Gift, now: datetime) -> dict[str, str]:
        amount = yuan(gift.amount_micros)
        fields = {
            "notify_time": _local(now),
            "notify_type": "trade_status_sync",
            "notify_id": secrets.token_hex(17),
            "app_id": self._keys.app_id,
            "charset": "utf-8",
            "version": "1.0",
            "trade_no": gift.external_id,
            "out_trade_no": f"M{gift.external_id}",
            "buyer_id": gift.donor,
            "seller_id": self._keys.seller_id,
            "trade_status": "TRADE_SUCCESS",
            "total_amount": amount,
            "receipt_amount": amount,
            "buyer_pay_amount": amount,
            "invoice_amount": amount,
            "point_amount": "0.00",
            "subject": "公益捐赠",
            "gmt_create": _local(gift.event_time),
            "gmt_payment": _local(gift.event_time),
            "fund_bill_list": json.dumps([{"amount": amount, "fundChannel": "ALIPAYACCOUNT"}]),
        }
        if gift.project:
            passback = {"campaign": gift.campaign, "project": gift.project}
            fields["passback_params"] = urlencode(passback)
        return fields


def sign(fields: dict[str, str], key: rsa.RSAPrivateKey) -> str:
    """The signature over all fields but `sign` and `sign_type`, in base64."""
    text = "&".join(
        f"{name}={value}"
        for name, value in sorted(fields.items())
        if name not in ("sign", "sign_type")
    )
    signature = key.sign(text.encode("utf-8"), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode("ascii")


def _local(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
