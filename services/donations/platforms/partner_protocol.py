"""The project's own protocol for companies' gifts and refunds over HTTP: Weibo, Qingsongchou, and
any other. docs/partner-protocol.md is its specification, with a worked example.

A notice is JSON by POST: gifts, refunds and disputes, as many as a body holds, with control totals.
Signed with Ed25519 is `timestamp\\nnonce\\nSHA-256 of the body in hex\\n`; the headers
Watersmeet-Timestamp, -Nonce, -Key-Id and -Signature bring what that needs. A partner signs every
sending anew, so a timestamp more than five minutes off is a replay. The nonce keeps two sendings
apart in a partner's logs and ours; nothing remembers it, because a replay within the five minutes
is harmless: the same gift or refund again changes nothing.

The whole notice is taken in or none of it.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from services.donations.domain import Rail
from services.donations.life.reports import RAILS, DisputeStatus, can_name
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
from services.donations.platforms.signature import Ed25519Verifier
from services.donations.platforms.strict_json import (
    Json,
    object_of,
    objects_of,
    optional_text_of,
    parse_object,
    text_of,
)
from services.runtime.errors import Fault, Reason

_TIMESTAMP = re.compile(r"[0-9]{10}")
_NONCE = re.compile(r"[0-9A-Za-z_-]{16,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_STATUSES = {status.name.lower(): status for status in DisputeStatus}


@dataclass(frozen=True, slots=True)
class PartnerProtocol:
    """code: the partner's. verifiers: its keys by id; during a rotation there are two and more."""

    code: str
    verifiers: Mapping[str, Ed25519Verifier] = field(repr=False)

    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement(
        200, "application/json", b'{"received":true}'
    )

    @classmethod
    def load(cls, section: Section) -> "PartnerProtocol":
        """Reads a partner's table of platforms.toml. Raises ConfigurationError."""
        section.require_only("protocol", "keys")
        if not reading.code_or_nothing(section.name):
            raise section.error("is no partner's code: a-z, 0-9, '.', '_' and '-'")
        if section.values.get("protocol", "partner") != "partner":
            raise section.error('speaks protocol = "partner"')
        keys = section.section("keys")
        if not keys.values:
            raise keys.error("needs at least one key")
        verifiers = {key_id: keys.ed25519_verifier(key_id) for key_id in keys.values}
        return cls(section.name, verifiers)

    def read(self, notice: Notice, now: datetime) -> list[Report]:
        """See Platform.read. Gifts first, then refunds and disputes, in the notice's
        order."""
        reading.require_post(notice)
        self._verify(notice)
        reading.require_recent("Watersmeet-Timestamp", notice.headers["watersmeet-timestamp"], now)
        content = parse_object("the body", notice.body)
        reading.require_recipient("partner", text_of(content, "partner"), self.code)
        gifts = [_gift(gift, self.code) for gift in objects_of(content, "gifts")]
        refunds = [_refund(refund) for refund in objects_of(content, "refunds")]
        # Of the protocol's first version a notice has none.
        contested = objects_of(content, "disputes") if "disputes" in content else []
        disputes = [_dispute(dispute) for dispute in contested]
        totals = object_of(content, "totals")
        _check_totals("gifts", object_of(totals, "gifts"), gifts)
        _check_totals("refunds", object_of(totals, "refunds"), refunds)
        if "disputes" in content:
            _check_totals("disputes", object_of(totals, "disputes"), disputes)
        return [*gifts, *refunds, *disputes]

    def _verify(self, notice: Notice) -> None:
        headers = notice.headers
        verifier = self.verifiers.get(headers.get("watersmeet-key-id", ""))
        if verifier is None:
            raise _unsigned("Watersmeet-Key-Id names no key that is configured for this partner")
        timestamp = headers.get("watersmeet-timestamp", "")
        nonce = headers.get("watersmeet-nonce", "")
        signature = headers.get("watersmeet-signature", "")
        if not (
            _TIMESTAMP.fullmatch(timestamp)
            and _NONCE.fullmatch(nonce)
            and signature.isascii()
            and verifier.verifies(
                signature.encode("ascii"), signed_text(timestamp, nonce, notice.body)
            )
        ):
            raise _unsigned(
                "Watersmeet-Signature is not over this timestamp, nonce and body by the key that "
                "Watersmeet-Key-Id names"
            )


def signed_text(timestamp: str, nonce: str, body: bytes) -> bytes:
    """What a partner signs."""
    return f"{timestamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}\n".encode("ascii")


def _unsigned(message: str) -> Fault:
    return Fault(Reason.SIGNATURE_INVALID, message)


def _gift(gift: Json, partner: str) -> GiftReport:
    return GiftReport(
        external_id=reading.identifier("external_id", text_of(gift, "external_id")),
        # What is no code names no project, and a real gift is never refused for that.
        project=reading.code_or_nothing(optional_text_of(gift, "project")),
        campaign=reading.code_or_nothing(optional_text_of(gift, "campaign")),
        amount_micros=_amount(gift),
        currency=_currency("currency", text_of(gift, "currency")),
        event_time=reading.rfc3339_time("time", text_of(gift, "time")),
        donor_reference=reading.donor_reference(optional_text_of(gift, "donor_reference")),
        rail=_rail(gift, partner),
    )


def _rail(gift: Json, partner: str) -> Rail | None:
    rail, rail_id = optional_text_of(gift, "rail"), optional_text_of(gift, "rail_id")
    if not rail and not rail_id:
        return None
    if not can_name(partner, rail):
        raise malformed(f"rail is none of {', '.join(sorted(RAILS))}")
    return Rail(rail, reading.identifier("rail_id", rail_id))


def _dispute(dispute: Json) -> DisputeReport:
    status = _STATUSES.get(text_of(dispute, "status"))
    if status is None:
        raise malformed(f"status is none of {', '.join(_STATUSES)}")
    return DisputeReport(
        external_id=reading.identifier("external_id", text_of(dispute, "external_id")),
        dispute_id=reading.identifier("dispute_id", text_of(dispute, "dispute_id")),
        status=status,
        amount_micros=_amount(dispute),
        currency=_currency("currency", text_of(dispute, "currency")),
        event_time=reading.rfc3339_time("time", text_of(dispute, "time")),
    )


def _refund(refund: Json) -> RefundReport:
    cumulative = refund.get("cumulative", False)
    if not isinstance(cumulative, bool):
        raise malformed("cumulative is neither true nor false")
    return RefundReport(
        external_id=reading.identifier("external_id", text_of(refund, "external_id")),
        refund_id=reading.identifier("refund_id", text_of(refund, "refund_id")),
        amount_micros=_amount(refund),
        currency=_currency("currency", text_of(refund, "currency")),
        cumulative=cumulative,
        event_time=reading.rfc3339_time("time", text_of(refund, "time")),
    )


def _amount(report: Json) -> int:
    micros = reading.micros_of_decimal("amount", text_of(report, "amount"))
    if micros == 0:
        raise malformed("amount is zero")
    return micros


def _currency(name: str, text: str) -> str:
    # Which codes are in use is intake's own rule, for every way in.
    if _CURRENCY.fullmatch(text) is None:
        raise malformed(f"{name} is not three capitals such as CNY")
    return text


def _check_totals(name: str, totals: Json, reports: Sequence[Report]) -> None:
    """Raises unless the notice holds as many reports, of as much money, as its sender meant."""
    count = totals.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or count != len(reports):
        raise malformed(f"totals.{name}.count is not {len(reports)}, the number of {name} here")
    sums: Counter[str] = Counter()
    for report in reports:
        sums[report.currency] += report.amount_micros
    stated = object_of(totals, "sum")
    told = {
        _currency(f"a currency of totals.{name}.sum", currency): reading.micros_of_decimal(
            f"totals.{name}.sum", text_of(stated, currency)
        )
        for currency in stated
    }
    if told != dict(sums):
        raise malformed(f"totals.{name}.sum is not the sum of the {name} here, by currency")
