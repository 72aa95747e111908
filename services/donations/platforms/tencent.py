"""WeChat Pay's notices, API v3 (微信支付 APIv3 回调通知).

Sources: WeChat Pay's merchant documents 签名验证 (with 应对签名探测流量), 支付成功回调通知,
退款结果通知, and 微信支付公钥 for public key ids; RFC 5116 for AEAD_AES_256_GCM.

A notice is JSON by POST. Signed is `timestamp\\nnonce\\nbody\\n`, the first two from the headers
Wechatpay-Timestamp and Wechatpay-Nonce, the body byte for byte. Wechatpay-Serial names the key: a
platform certificate's serial number or a public key's id (PUB_KEY_ID_…). WeChat Pay signs every
repetition anew, so a timestamp more than five minutes off is a replay. What happened stands in
`resource`, encrypted with the merchant's APIv3 key.

Amounts are whole fen. A refund's notice gives `amount.refund` of this refund alone, and names
neither appid nor currency. Between true notices WeChat Pay sends some whose signature is wrong on
purpose, WECHATPAY/SIGNTEST/…, and expects them to be refused.
"""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.donations.platforms import reading
from services.donations.platforms.configuration import Section
from services.donations.platforms.protocol import (
    Acknowledgement,
    GiftReport,
    Notice,
    Probe,
    RefundReport,
    Report,
)
from services.donations.platforms.reading import malformed
from services.donations.platforms.signature import Verifier
from services.donations.platforms.strict_json import Json, object_of, parse_object, text_of
from services.runtime.errors import Fault, Reason

CURRENCY = "CNY"
SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"
# A payment's notice may come again when the gift is already being refunded; it was paid even so.
PAID = frozenset({"SUCCESS", "REFUND"})

_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Tencent:
    """appid, mchid: ours at WeChat Pay. cipher: of the APIv3 key, which encrypts resources.
    verifiers: WeChat Pay's keys by serial; during a rotation there are two and more.
    """

    appid: str
    mchid: str
    cipher: AESGCM = field(repr=False)
    verifiers: Mapping[str, Verifier] = field(repr=False)

    code: ClassVar[str] = "tencent"
    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement(
        200, "application/json", b'{"code":"SUCCESS"}'
    )

    @classmethod
    def load(cls, section: Section) -> "Tencent":
        """Reads its table of platforms.toml. Raises ConfigurationError."""
        section.require_only("appid", "mchid", "apiv3_key_file", "public_keys")
        apiv3_key = section.file("apiv3_key_file").strip()
        if len(apiv3_key) != _KEY_BYTES or not apiv3_key.isascii():
            raise section.error(f"apiv3_key_file must hold {_KEY_BYTES} ASCII characters")
        keys = section.section("public_keys")
        verifiers = {serial: keys.verifier(serial) for serial in keys.values}
        if not verifiers:
            raise keys.error("needs at least one key")
        for serial, verifier in verifiers.items():
            if verifier.serial is not None and f"{verifier.serial:X}" != serial.lstrip("0"):
                raise keys.error(f"{serial} is a certificate with the serial {verifier.serial:X}")
        return cls(section.text("appid"), section.text("mchid"), AESGCM(apiv3_key), verifiers)

    def read(self, notice: Notice, now: datetime) -> list[Report]:
        """See Platform.read. A payment reports one gift, a refund that succeeded one refund."""
        reading.require_post(notice)
        self._verify(notice, now)
        # After the signature, so that a forger learns nothing and a forged time is called forged.
        reading.require_recent("Wechatpay-Timestamp", notice.headers["wechatpay-timestamp"], now)
        envelope = parse_object("the body", notice.body)
        event = text_of(envelope, "event_type")
        resource = parse_object("the resource", self._decrypt(object_of(envelope, "resource")))
        self._check_recipient(resource, has_appid=event.startswith("TRANSACTION."))
        if event == "TRANSACTION.SUCCESS":
            return [_gift(resource)]
        if event == "REFUND.SUCCESS":
            return [_refund(resource)]
        if event in ("REFUND.ABNORMAL", "REFUND.CLOSED"):
            return []  # no money came back
        raise malformed("event_type is none that is taken here")

    def _verify(self, notice: Notice, now: datetime) -> None:
        headers = notice.headers
        signature = headers.get("wechatpay-signature", "")
        if signature.startswith(PROBE_PREFIX):
            raise Probe(self.code)
        if headers.get("wechatpay-signature-type", SIGNATURE_TYPE) != SIGNATURE_TYPE:
            raise _unsigned(f"Wechatpay-Signature-Type is not {SIGNATURE_TYPE}")
        verifier = self.verifiers.get(headers.get("wechatpay-serial", ""))
        if verifier is None or not verifier.holds(now):
            raise _unsigned(
                "Wechatpay-Serial names no key that is configured and valid now; "
                "if WeChat Pay sent this, add the key to public_keys"
            )
        try:
            head = f"{headers['wechatpay-timestamp']}\n{headers['wechatpay-nonce']}\n"
            signed = head.encode("ascii") + notice.body + b"\n"
            verified = verifier.verifies(signature.encode("ascii"), signed)
        except (KeyError, UnicodeEncodeError):
            verified = False
        if not verified:
            raise _unsigned(
                "Wechatpay-Signature is not over this body by the key that Wechatpay-Serial names"
            )

    def _decrypt(self, resource: Json) -> bytes:
        if text_of(resource, "algorithm") != "AEAD_AES_256_GCM":
            raise malformed("resource.algorithm is not AEAD_AES_256_GCM")
        nonce = text_of(resource, "nonce").encode("utf-8", "replace")
        if len(nonce) != _NONCE_BYTES:
            raise malformed(f"resource.nonce is not {_NONCE_BYTES} bytes long")
        associated = resource.get("associated_data", "")
        if not isinstance(associated, str):
            raise malformed("resource.associated_data is no text")
        try:
            ciphertext = binascii.a2b_base64(text_of(resource, "ciphertext"), strict_mode=True)
            return self.cipher.decrypt(nonce, ciphertext, associated.encode("utf-8", "replace"))
        except (binascii.Error, ValueError, InvalidTag):
            raise malformed(
                "the resource does not decrypt with the configured APIv3 key; check apiv3_key_file"
            ) from None

    def _check_recipient(self, resource: Json, *, has_appid: bool) -> None:
        reading.require_recipient("mchid", text_of(resource, "mchid"), self.mchid)
        if has_appid:
            reading.require_recipient("appid", text_of(resource, "appid"), self.appid)


def _unsigned(message: str) -> Fault:
    return Fault(Reason.SIGNATURE_INVALID, message)


def _gift(resource: Json) -> GiftReport:
    if text_of(resource, "trade_state") not in PAID:
        raise malformed("trade_state contradicts the event_type TRANSACTION.SUCCESS")
    amount = _amount(resource)
    attach = resource.get("attach", "")
    campaign, project = reading.attribution(attach if isinstance(attach, str) else "")
    payer = resource.get("payer")
    donor = payer.get("openid", "") if isinstance(payer, dict) else ""
    return GiftReport(
        external_id=reading.identifier("transaction_id", text_of(resource, "transaction_id")),
        project=project,
        campaign=campaign,
        amount_micros=reading.micros_of_fen("amount.total", amount.get("total")),
        currency=CURRENCY,
        event_time=reading.rfc3339_time("success_time", text_of(resource, "success_time")),
        donor_reference=reading.donor_reference(donor if isinstance(donor, str) else ""),
    )


def _refund(resource: Json) -> RefundReport:
    if text_of(resource, "refund_status") != "SUCCESS":
        raise malformed("refund_status contradicts the event_type REFUND.SUCCESS")
    return RefundReport(
        external_id=reading.identifier("transaction_id", text_of(resource, "transaction_id")),
        refund_id=reading.identifier("refund_id", text_of(resource, "refund_id")),
        amount_micros=reading.micros_of_fen("amount.refund", _amount(resource).get("refund")),
        currency=CURRENCY,
        cumulative=False,
        event_time=reading.rfc3339_time("success_time", text_of(resource, "success_time")),
    )


def _amount(resource: Json) -> Json:
    amount = object_of(resource, "amount")
    if amount.get("currency", CURRENCY) != CURRENCY:
        raise malformed(f"amount.currency is not {CURRENCY}; no other currency is taken here")
    return amount
