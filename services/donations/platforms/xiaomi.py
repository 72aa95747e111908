"""Xiaomi's notices of payments within an application (小米应用支付, 订单支付结果通知).

Source: Xiaomi's developer documents, 服务端接口: 订单支付结果通知 and its section on signatures,
with the example whose signed text ours repeats.

A notice is a GET. Signed are all its parameters that have a value but `signature`, decoded, sorted
by name, as `name=value` joined with `&`: HMAC-SHA1 in hex, keyed with the application's AppSecret.
`payFee` is in fen, `payTime` of Asia/Shanghai, `cpUserInfo` the merchant's own text. Xiaomi repeats
a notice every minute ten times, then every hour. The answer is `{"errcode":200}`.

What this signature does not hold, and what is done about it:

- Values are joined as they are, and `cpUserInfo` comes from the payer's telephone. One with `&` in
  it could be cut into other parameters than those that were paid. So a value with `&` is refused,
  and campaign and project stand in cpUserInfo percent-encoded: `campaign%3D…%26project%3D…`.
- No time of sending is signed, so no age is refused. A replay is harmless, because the same gift
  again changes nothing.

The payer's id stands in the query: keep queries out of the logs of whatever stands before us.

A gift's id is `orderId`, Xiaomi's own. Xiaomi documents no notice of a refund: refunds are known
from its statements. An order that was paid with a voucher (`partnerGiftConsume`) is not all money,
and the document does not say how much of payFee is: it is left for a person to see.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from services.donations.platforms import reading
from services.donations.platforms.configuration import Section
from services.donations.platforms.form import Fields, optional_field, read_form, required_field
from services.donations.platforms.protocol import Acknowledgement, GiftReport, Notice, Report
from services.donations.platforms.reading import malformed
from services.runtime.errors import Fault, Reason

CURRENCY = "CNY"

_SIGNATURE = b"signature"


@dataclass(frozen=True, slots=True)
class Xiaomi:
    """app_id: our application's. secrets: its AppSecret; two while it is being changed."""

    app_id: str
    secrets: tuple[bytes, ...] = field(repr=False)

    code: ClassVar[str] = "xiaomi"
    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement(
        200, "application/json", b'{"errcode":200}'
    )

    @classmethod
    def load(cls, section: Section) -> "Xiaomi":
        """Reads its table of platforms.toml. Raises ConfigurationError."""
        section.require_only("app_id", "app_secret_files")
        return cls(section.text("app_id"), section.secrets("app_secret_files"))

    def read(self, notice: Notice, now: datetime) -> list[Report]:  # noqa: ARG002  no age is refused
        """See Platform.read. A notice reports one gift."""
        reading.require_get(notice)
        fields = read_form(notice.query.encode("ascii"))
        self._verify(fields)
        if any(b"&" in value for value in fields.values()):
            raise malformed("a value has an & in it, which leaves open what was signed")
        reading.require_recipient("appId", required_field(fields, "appId"), self.app_id)
        if required_field(fields, "orderStatus") != "TRADE_SUCCESS":
            raise malformed("orderStatus is not TRADE_SUCCESS; no other is documented")
        if optional_field(fields, "partnerGiftConsume") not in ("", "0"):
            raise malformed("the order was paid with a voucher, which is no money")
        return [_gift(fields)]

    def _verify(self, fields: Fields) -> None:
        text = signed_text(fields)
        signature = fields.get(_SIGNATURE, b"")
        if not any(hmac.compare_digest(_sign(secret, text), signature) for secret in self.secrets):
            raise Fault(
                Reason.SIGNATURE_INVALID,
                "signature is not made with a configured AppSecret; "
                "if Xiaomi sent this, check app_secret_files",
            )


def _sign(secret: bytes, text: bytes) -> bytes:
    return hmac.new(secret, text, hashlib.sha1).hexdigest().encode()


def signed_text(fields: Fields) -> bytes:
    """What Xiaomi signs of a notice's decoded parameters."""
    return b"&".join(
        name + b"=" + value
        for name, value in sorted(fields.items())
        if value and name != _SIGNATURE
    )


def _gift(fields: Fields) -> GiftReport:
    campaign, project = reading.attribution(
        fields.get(b"cpUserInfo", b"").decode("utf-8", "replace")
    )
    fen = reading.whole_number("payFee", required_field(fields, "payFee"))
    return GiftReport(
        external_id=reading.identifier("orderId", required_field(fields, "orderId")),
        project=project,
        campaign=campaign,
        amount_micros=reading.micros_of_fen("payFee", fen),
        currency=CURRENCY,
        event_time=reading.shanghai_time("payTime", required_field(fields, "payTime")),
        donor_reference=reading.donor_reference(optional_field(fields, "uid")),
    )
