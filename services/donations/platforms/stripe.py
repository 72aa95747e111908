"""Stripe's events (webhooks).

Sources: Stripe's documents "Receive Stripe events in your webhook endpoint" (verify signatures
manually), "Types of events", "The Charge object", "The Dispute object", "The PaymentIntent object",
"The Event object", and "Supported currencies" (zero-decimal currencies, special cases);
stripe-python's verification.

An event is JSON by POST. The header Stripe-Signature is `t=<Unix time>,v1=<hex>[,v1=…]`; v1 is
HMAC-SHA256 over `t.body`, keyed with the endpoint's signing secret; while a secret is being rolled
there is a v1 by each. Other schemes are ignored. Stripe signs every sending anew, so a time more
than five minutes off is a replay.

One payment causes payment_intent.succeeded and charge.succeeded, whose times differ. `gifts_from`
says which of them is the gift; the other then moves no money. A gift's id is the payment intent's,
which both tell, or the charge's own where there is no intent. A charge that was only authorized
becomes a gift when it is captured. One captured in part is left for a person to see: what Stripe
then calls refunded was never paid.

charge.refunded tells `amount_refunded`, the running total of the charge's refunds. It is named by
the event's id, as several make one gift's total grow. (A refund that fails later makes the total
fall again; that comes as an event of the refund, which is not taken here.)

charge.dispute.created and charge.dispute.closed tell of disputes, by the dispute's own id and as
much as is contested. An inquiry, whose status begins with warning_, moves no money and reports
nothing; one that ends otherwise than won or lost does not either.

Amounts are in the smallest unit that Stripe has for a currency. That is not ISO 4217's in every
case: ISK and UGX have two decimals with Stripe, of which both are always 0.

Campaign and project stand in the metadata `campaign` and `project`; a payment intent hands its own
on to its charge. The rail (payment_method_details.type) is not read here.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from services.donations.life.reports import DisputeStatus
from services.donations.platforms import reading
from services.donations.platforms.configuration import Section
from services.donations.platforms.protocol import (
    Acknowledgement,
    DisputeReport,
    GiftReport,
    Notice,
    RefundReport,
    Report,
)
from services.donations.platforms.reading import malformed
from services.donations.platforms.strict_json import (
    Json,
    object_of,
    optional_text_of,
    parse_object,
    text_of,
)
from services.runtime.errors import Fault, Reason

GIFTS_FROM = frozenset({"charge", "payment_intent"})

# UGX stands in Stripe's list as well; its special case goes before.
ZERO_DECIMAL = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})

_CURRENCY = re.compile(r"[a-z]{3}")
_SIGNATURE_PART = re.compile(r"([a-z][a-z0-9]{0,7})=([0-9A-Za-z]{1,128})")
_SIGNATURE_PARTS_MAX = 16


@dataclass(frozen=True, slots=True)
class Stripe:
    """livemode: whether real money moves. gifts_from: "charge" or "payment_intent". secrets: the
    endpoint's signing secrets, two while one is being rolled.
    """

    livemode: bool
    gifts_from: str
    secrets: tuple[bytes, ...] = field(repr=False)

    code: ClassVar[str] = "stripe"
    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement(
        200, "application/json", b'{"received":true}'
    )

    @classmethod
    def load(cls, section: Section) -> "Stripe":
        """Reads its table of platforms.toml. Raises ConfigurationError."""
        section.require_only("livemode", "gifts_from", "signing_secret_files")
        gifts_from = section.text("gifts_from")
        if gifts_from not in GIFTS_FROM:
            raise section.error(f"gifts_from must be one of {', '.join(sorted(GIFTS_FROM))}")
        return cls(section.flag("livemode"), gifts_from, section.secrets("signing_secret_files"))

    def read(self, notice: Notice, now: datetime) -> list[Report]:
        """See Platform.read. An event that moves no money reports nothing."""
        reading.require_post(notice)
        reading.require_recent("Stripe-Signature's t", self._verified_time(notice), now)
        event = parse_object("the body", notice.body)
        self._check_recipient(event)
        kind, thing = text_of(event, "type"), object_of(object_of(event, "data"), "object")
        if kind in ("charge.succeeded", "charge.captured"):
            return self._charge(thing)
        if kind == "payment_intent.succeeded":
            return self._intent(thing)
        if kind == "charge.refunded":
            return [_refund(event, thing)]
        if kind in ("charge.dispute.created", "charge.dispute.closed"):
            return _dispute(event, thing, is_closed=kind.endswith("closed"))
        raise malformed("type is none that is taken here; subscribe the endpoint to those alone")

    def _verified_time(self, notice: Notice) -> str:
        """The time that the event was signed at, if it was signed with one of the secrets."""
        signatures: list[str] = []
        times: list[str] = []
        parts = notice.headers.get("stripe-signature", "").split(",", _SIGNATURE_PARTS_MAX)
        for part in parts:
            match = _SIGNATURE_PART.fullmatch(part)
            if match is None:
                raise _unsigned()
            if match[1] == "t":
                times.append(match[2])
            elif match[1] == "v1":
                signatures.append(match[2])
        if len(times) != 1:
            raise _unsigned()
        signed = times[0].encode("ascii") + b"." + notice.body
        for secret in self.secrets:
            ours = hmac.new(secret, signed, hashlib.sha256).hexdigest()
            if any(hmac.compare_digest(ours, theirs) for theirs in signatures):
                return times[0]
        raise _unsigned()

    def _check_recipient(self, event: Json) -> None:
        livemode = event.get("livemode")
        if not isinstance(livemode, bool):
            raise malformed("livemode is neither true nor false")
        reading.require_recipient("livemode", str(livemode), str(self.livemode))
        # Events of connected accounts name theirs; the money is not ours.
        reading.require_recipient("account", optional_text_of(event, "account"), "")

    def _charge(self, charge: Json) -> list[Report]:
        captured = charge.get("captured")
        if not isinstance(captured, bool):
            raise malformed("captured is neither true nor false")
        if not captured or self.gifts_from != "charge":
            return []
        if text_of(charge, "status") != "succeeded":
            raise malformed("the charge's status contradicts the event's type")
        if charge.get("amount_captured") != charge.get("amount"):
            raise malformed("the charge was captured in part")
        return [_gift(charge, _gift_id(charge), "amount")]

    def _intent(self, intent: Json) -> list[Report]:
        if self.gifts_from != "payment_intent":
            return []
        if text_of(intent, "status") != "succeeded":
            raise malformed("the payment intent's status contradicts the event's type")
        if intent.get("amount_received") != intent.get("amount"):
            raise malformed("the payment intent was received in part")
        return [_gift(intent, text_of(intent, "id"), "amount_received")]


def _unsigned() -> Fault:
    return Fault(
        Reason.SIGNATURE_INVALID,
        "Stripe-Signature is not made with a configured secret; "
        "if Stripe sent this, check signing_secret_files",
    )


def _gift_id(charge: Json) -> str:
    # A charge that was made without one says so with a null. Where it says nothing, the same gift
    # might be known by the other id already.
    if "payment_intent" not in charge:
        raise reading.malformed("payment_intent is missing; it may be null, and is always there")
    return optional_text_of(charge, "payment_intent") or text_of(charge, "id")


def _gift(paid: Json, gift_id: str, amount: str) -> GiftReport:
    currency, micros = _currency(paid)
    metadata = object_of(paid, "metadata")
    return GiftReport(
        external_id=reading.identifier("id", gift_id),
        project=reading.code_or_nothing(optional_text_of(metadata, "project")),
        campaign=reading.code_or_nothing(optional_text_of(metadata, "campaign")),
        amount_micros=reading.micros_of_units(amount, paid.get(amount), micros),
        currency=currency,
        event_time=reading.unix_time("created", paid.get("created")),
        donor_reference=reading.donor_reference(optional_text_of(paid, "customer")),
    )


def _refund(event: Json, charge: Json) -> RefundReport:
    currency, micros = _currency(charge)
    refunded = charge.get("amount_refunded")
    return RefundReport(
        external_id=reading.identifier("id", _gift_id(charge)),
        refund_id=reading.identifier("the event's id", text_of(event, "id")),
        amount_micros=reading.micros_of_units("amount_refunded", refunded, micros),
        currency=currency,
        cumulative=True,
        event_time=reading.unix_time("the event's created", event.get("created")),
    )


def _dispute(event: Json, dispute: Json, *, is_closed: bool) -> list[Report]:
    told = text_of(dispute, "status")
    if not is_closed:
        status = None if told.startswith("warning_") else DisputeStatus.OPENED
        time = reading.unix_time("created", dispute.get("created"))
    else:
        status = _CLOSED.get(told)
        time = reading.unix_time("the event's created", event.get("created"))
    if status is None:
        return []
    currency, micros = _currency(dispute)
    gift = optional_text_of(dispute, "payment_intent") or text_of(dispute, "charge")
    return [
        DisputeReport(
            external_id=reading.identifier("the disputed charge", gift),
            dispute_id=reading.identifier("id", text_of(dispute, "id")),
            status=status,
            amount_micros=reading.micros_of_units("amount", dispute.get("amount"), micros),
            currency=currency,
            event_time=time,
        )
    ]


_CLOSED = {"won": DisputeStatus.WON, "lost": DisputeStatus.LOST}


def _currency(paid: Json) -> tuple[str, int]:
    """The currency's code, and how many micros its smallest unit with Stripe is."""
    text = text_of(paid, "currency")
    if _CURRENCY.fullmatch(text) is None:
        raise malformed("currency is not three small letters such as usd")
    code = text.upper()
    if code in ZERO_DECIMAL:
        return code, 1_000_000
    return code, 1_000 if code in THREE_DECIMAL else 10_000
