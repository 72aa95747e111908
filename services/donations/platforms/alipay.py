"""Alipay's asynchronous notices (异步通知).

Sources: the Alipay open platform's documents 异步通知参数 and 异步返回结果的验签, and 交易状态说明.

A notice is a form by POST. Signed are all its parameters but `sign` and `sign_type`, decoded,
sorted by name, as `name=value` joined with `&`; parameters without a value are signed like the
others. The signature (`sign_type` RSA2) is SHA256withRSA in base64. It covers bytes, and everything
read here is ASCII, so `charset` (utf-8, gbk …) decides nothing.

A refund comes as another notice of the same trade: `refund_fee` is the total refunded so far
(总退款金额), `out_biz_no` the merchant's id of the refund request, `gmt_refund` the time. A trade
refunded in full is TRADE_CLOSED, as is one that was never paid. All times are of Asia/Shanghai.

Nothing signed limits a notice's age: Alipay repeats one for more than 25 hours. A replay is
harmless, because the same gift or refund again changes nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from services.donations.gifts.validation import is_external_id
from services.donations.platforms import reading
from services.donations.platforms.configuration import Section
from services.donations.platforms.form import Fields, optional_field, read_form, required_field
from services.donations.platforms.protocol import (
    Acknowledgement,
    GiftReport,
    Notice,
    RefundReport,
    Report,
)
from services.donations.platforms.reading import malformed
from services.donations.platforms.signature import Verifier
from services.runtime.errors import Fault, Reason

CURRENCY = "CNY"
PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})


@dataclass(frozen=True, slots=True)
class Alipay:
    """app_id, seller_id: ours at Alipay. verifier: Alipay's public key for our application."""

    app_id: str
    seller_id: str
    verifier: Verifier = field(repr=False)

    code: ClassVar[str] = "alipay"
    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement(
        200, "text/plain; charset=utf-8", b"success"
    )

    @classmethod
    def load(cls, section: Section) -> "Alipay":
        """Reads its table of platforms.toml. Raises ConfigurationError."""
        section.require_only("app_id", "seller_id", "public_key_file")
        return cls(
            section.text("app_id"), section.text("seller_id"), section.verifier("public_key_file")
        )

    def read(self, notice: Notice, now: datetime) -> list[Report]:
        """See Platform.read. A refund's notice reports the gift as well, where it says enough."""
        reading.require_post(notice)
        fields = read_form(notice.body)
        self._verify(fields, now)
        self._check_recipient(fields)
        return _reports(fields)

    def _verify(self, fields: Fields, now: datetime) -> None:
        signed = b"&".join(
            name + b"=" + value
            for name, value in sorted(fields.items())
            if name not in (b"sign", b"sign_type")
        )
        # sign_type is not signed itself: only the strong kind is taken, whatever it says.
        if (
            fields.get(b"sign_type") != b"RSA2"
            or not self.verifier.holds(now)
            or not self.verifier.verifies(fields.get(b"sign", b""), signed)
        ):
            raise Fault(
                Reason.SIGNATURE_INVALID,
                "the notice is not signed (RSA2) by the configured Alipay public key; "
                "if Alipay sent it, check public_key_file",
            )

    def _check_recipient(self, fields: Fields) -> None:
        for name, ours in (("app_id", self.app_id), ("seller_id", self.seller_id)):
            reading.require_recipient(name, required_field(fields, name), ours)


def _reports(fields: Fields) -> list[Report]:
    if required_field(fields, "notify_type") != "trade_status_sync":
        raise malformed("notify_type is not trade_status_sync; no other kind is taken here")
    status = required_field(fields, "trade_status")
    refunded = reading.micros_of_decimal("refund_fee", optional_field(fields, "refund_fee") or "0")
    paid_time = optional_field(fields, "gmt_payment")
    if status == "WAIT_BUYER_PAY":
        return []
    if status == "TRADE_CLOSED":
        if not refunded and not paid_time:
            return []  # closed because nobody paid
        if not refunded:
            raise malformed("a paid trade is closed without a refund_fee")
    elif status not in PAID:
        raise malformed("trade_status is none that the documents list")
    if optional_field(fields, "trans_currency") not in ("", CURRENCY):
        raise malformed(f"trans_currency is not {CURRENCY}; no other currency is taken here")

    trade = reading.identifier("trade_no", required_field(fields, "trade_no"))
    if not refunded:
        return [_gift(fields, trade)]
    refund = _refund(fields, trade, refunded)
    # A refund's notice that does not say what the gift was for would report another gift than the
    # payment's notice did. The refund alone is then reported, and waits for its gift.
    if paid_time and fields.get(b"passback_params"):
        return [_gift(fields, trade), refund]
    return [refund]


def _gift(fields: Fields, trade: str) -> GiftReport:
    campaign, project = reading.attribution(
        fields.get(b"passback_params", b"").decode("utf-8", "replace")
    )
    amount = reading.micros_of_decimal("total_amount", required_field(fields, "total_amount"))
    if amount == 0:
        raise malformed("total_amount is zero on a paid trade")
    # Newer applications are told buyer_open_id in place of buyer_id.
    donor = optional_field(fields, "buyer_id") or optional_field(fields, "buyer_open_id")
    return GiftReport(
        external_id=trade,
        project=project,
        campaign=campaign,
        amount_micros=amount,
        currency=CURRENCY,
        event_time=reading.shanghai_time("gmt_payment", required_field(fields, "gmt_payment")),
        donor_reference=reading.donor_reference(donor),
    )


def _refund(fields: Fields, trade: str, refunded: int) -> RefundReport:
    refund_time = required_field(fields, "gmt_refund")
    request = optional_field(fields, "out_biz_no")
    if not is_external_id(request):
        request = "refund-" + "".join(filter(str.isdigit, refund_time))
    return RefundReport(
        external_id=trade,
        refund_id=request,
        amount_micros=refunded,
        currency=CURRENCY,
        cumulative=True,
        event_time=reading.shanghai_time("gmt_refund", refund_time),
    )
