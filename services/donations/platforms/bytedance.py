"""Douyin's callbacks of guaranteed payments (ByteDance 抖音小程序担保支付回调).

Sources: the Douyin open platform's documents 支付结果回调 and 退款结果回调, and the callback
signature of ByteDance's own open-pay-signature-go-demo (`CallbackSign`), whose test vector ours
repeats.

A callback is JSON by POST: `timestamp`, `nonce`, `msg` (JSON in a text), `type` (payment or
refund) and `msg_signature`, the SHA-1 in hex of the token, timestamp, nonce and msg, sorted by
their bytes and joined with nothing between. A payment is reported once it succeeded; a refund also
when it failed. Douyin repeats a callback for almost a day, 16 times at most.

What this signature does not hold, and what is done about it:

- `type` is not signed, so a message must itself be what its type says.
- The parts have no borders. Of what is read here only msg matters; it begins with `{`, which sorts
  behind token, timestamp and nonce, so it is always the last part and cannot be cut elsewhere.
- The documents set no age at which a callback is void, and do not say whether a repeated one is
  signed anew. No age is refused: a replay is harmless, because the same gift or refund again
  changes nothing, while a late callback refused for its age would be a gift lost.
- A token that was changed still signs the callbacks of orders paid before: hence a list of tokens.

A gift's id is `order_id`, Douyin's own number of the order: the only one of Douyin's that the
callbacks of the payment and of its refunds both carry. `refund_amount` is this refund's alone.
Who paid is not told (`seller_uid` is the merchant).

The rail is told by `way` (1 WeChat Pay, 2 Alipay, 10 Douyin Pay) and `channel_no`. The document
calls channel_no the number with which Douyin asked the rail and payment_order_no Douyin's own;
merchants' comments on that page say that it is the other way about: channel_no is the rail's
transaction and payment_order_no the order number there. So channel_no is read as the rail's id: if
that is wrong, it is no report's id and joins nothing. Another way, or no number, names no rail.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from services.donations.domain import Rail
from services.donations.gifts.validation import is_external_id
from services.donations.platforms import reading
from services.donations.platforms.configuration import Section
from services.donations.platforms.protocol import (
    Acknowledgement,
    GiftReport,
    Notice,
    RefundReport,
    Report,
)
from services.donations.platforms.reading import malformed
from services.donations.platforms.strict_json import (
    Json,
    optional_text_of,
    parse_object,
    text_of,
)
from services.runtime.errors import Fault, Reason

CURRENCY = "CNY"

# Its own Douyin Pay, 10, is no other company's.
RAILS_BY_WAY = {"1": "tencent", "2": "alipay"}

_UNPAID = frozenset({"PROCESSING", "FAIL", "TIMEOUT"})
_PART = re.compile(r"[0-9A-Za-z]{1,64}")


@dataclass(frozen=True, slots=True)
class Bytedance:
    """appid: our mini program's. tokens: what callbacks are signed with; more than one while a
    token is being changed.
    """

    appid: str
    tokens: tuple[bytes, ...] = field(repr=False)

    code: ClassVar[str] = "bytedance"
    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement(
        200, "application/json", b'{"err_no":0,"err_tips":"success"}'
    )

    @classmethod
    def load(cls, section: Section) -> "Bytedance":
        """Reads its table of platforms.toml. Raises ConfigurationError."""
        section.require_only("appid", "token_files")
        tokens = section.secrets("token_files")
        if not all(token.isalnum() for token in tokens):
            raise section.error("token_files must name files of letters and digits alone")
        return cls(section.text("appid"), tokens)

    def read(self, notice: Notice, now: datetime) -> list[Report]:  # noqa: ARG002  no age is refused
        """See Platform.read. A payment reports one gift, a refund that succeeded one refund."""
        reading.require_post(notice)
        callback = parse_object("the body", notice.body)
        message = parse_object("msg", self._verified(callback))
        reading.require_recipient("appid", text_of(message, "appid"), self.appid)
        kind = text_of(callback, "type")
        if (kind == "refund") != ("refund_amount" in message):
            raise malformed("type contradicts msg, and is not signed itself")
        if kind == "payment":
            return _payment(message)
        if kind == "refund":
            return _refund(message)
        raise malformed("type is none that is taken here")

    def _verified(self, callback: Json) -> bytes:
        """msg, if the callback is signed with one of the tokens."""
        timestamp, nonce = text_of(callback, "timestamp"), text_of(callback, "nonce")
        message = text_of(callback, "msg").encode("utf-8", "replace")
        signature = text_of(callback, "msg_signature").encode("utf-8", "replace")
        shaped = _PART.fullmatch(timestamp) and _PART.fullmatch(nonce) and message[:1] == b"{"
        if not shaped or not any(
            hmac.compare_digest(callback_signature(token, timestamp, nonce, message), signature)
            for token in self.tokens
        ):
            raise Fault(
                Reason.SIGNATURE_INVALID,
                "msg_signature is not made with a configured token; "
                "if Douyin sent this, check token_files",
            )
        return message


def callback_signature(token: bytes, timestamp: str, nonce: str, message: bytes) -> bytes:
    """What Douyin puts into msg_signature."""
    parts = sorted([token, timestamp.encode(), nonce.encode(), message])
    # The platform's own choice: nothing here rests on SHA-1 but what Douyin signs with it.
    return hashlib.sha1(b"".join(parts), usedforsecurity=False).hexdigest().encode()


def _payment(message: Json) -> list[Report]:
    status = text_of(message, "status")
    if status in _UNPAID:
        return []
    if status != "SUCCESS":
        raise malformed("status is none that the documents list")
    campaign, project = reading.attribution(optional_text_of(message, "cp_extra"))
    return [
        GiftReport(
            external_id=reading.identifier("order_id", text_of(message, "order_id")),
            project=project,
            campaign=campaign,
            amount_micros=reading.micros_of_fen("total_amount", message.get("total_amount")),
            currency=CURRENCY,
            event_time=reading.unix_time("paid_at", message.get("paid_at")),
            rail=_rail(message),
        )
    ]


def _rail(message: Json) -> Rail | None:
    way, number = message.get("way"), message.get("channel_no")
    rail = RAILS_BY_WAY.get(str(way))
    if rail is None or not isinstance(number, str) or not is_external_id(number):
        return None
    return Rail(rail, number)


def _refund(message: Json) -> list[Report]:
    status = text_of(message, "status")
    if status in _UNPAID:
        return []  # no money came back
    if status != "SUCCESS":
        raise malformed("status is none that the documents list")
    return [
        RefundReport(
            external_id=reading.identifier("order_id", text_of(message, "order_id")),
            refund_id=reading.identifier("refund_no", text_of(message, "refund_no")),
            amount_micros=reading.micros_of_fen("refund_amount", message.get("refund_amount")),
            currency=CURRENCY,
            cumulative=False,
            event_time=reading.unix_time("refunded_at", message.get("refunded_at")),
        )
    ]
