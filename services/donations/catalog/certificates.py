"""Certificates of a charity's qualification to raise funds publicly.

A certificate holds for whole days of China, its first and its last included. A charity of China may
raise funds publicly while one of its certificates holds; others are not bound by that law.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.donations.domain import micros_of
from services.runtime.errors import Fault, Reason
from services.runtime.zones import time_zone

ALWAYS = (-(2**62),)
"""Qualified at every moment: not bound by the law."""

CERTIFICATES_MAX = 50
"""Certificates of one charity: they are renewed every few years."""

_NUMBER_LENGTH_MAX = 64
_YEARS = range(2000, 2200)
_CHINA = time_zone("Asia/Shanghai")


@dataclass(frozen=True, slots=True, order=True)
class Certificate:
    """A public-fundraising certificate. valid_until: the last day on which it holds."""

    valid_from: date
    valid_until: date
    number: str


def require_certificate(certificate: Certificate) -> Certificate:
    """Returns the certificate; raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    number = certificate.number
    if not number:
        raise Fault(
            Reason.FIELD_REQUIRED,
            "certificate.number is required",
            field="certificate.number",
        )
    if len(number) > _NUMBER_LENGTH_MAX or not number.isprintable() or number != number.strip():
        raise Fault(
            Reason.FIELD_INVALID,
            f"the number must be at most {_NUMBER_LENGTH_MAX} printable characters, "
            "with no space around them",
            field="certificate.number",
        )
    for field in ("valid_from", "valid_until"):
        if getattr(certificate, field).year not in _YEARS:
            raise Fault(
                Reason.FIELD_INVALID,
                f"{field} must lie in the years {_YEARS.start} to {_YEARS.stop - 1}",
                field=f"certificate.{field}",
            )
    if certificate.valid_until < certificate.valid_from:
        raise Fault(
            Reason.FIELD_INVALID,
            "valid_until must not lie before valid_from; it is the last day that is valid",
            field="certificate.valid_until",
        )
    return certificate


def is_new(certificate: Certificate, held: Sequence[Certificate], credit_code: str) -> bool:
    """Whether a certificate is to be added to those of a charity; False if it is one of them.

    Renewals may overlap what they renew, but days that one number is valid on are said once.
    Raises Fault(CERTIFICATE_CONFLICT), or Fault(FIELD_INVALID) if the charity is abroad or has
    CERTIFICATES_MAX.
    """
    if certificate in held:
        return False
    if not credit_code:
        raise Fault(
            Reason.FIELD_INVALID,
            "a charity without a unified social credit code is not of China and holds no such "
            "certificate",
            field="charity",
        )
    for other in held:
        if other.number == certificate.number and _overlap(other, certificate):
            raise Fault(
                Reason.CERTIFICATE_CONFLICT,
                f"this number is known as valid from {other.valid_from} until {other.valid_until}; "
                "a renewal under the same number begins after that day",
                valid_from=str(other.valid_from),
                valid_until=str(other.valid_until),
            )
    if len(held) >= CERTIFICATES_MAX:
        raise Fault(
            Reason.FIELD_INVALID,
            f"a charity has at most {CERTIFICATES_MAX} certificates",
            field="certificate",
        )
    return True


def qualified(credit_code: str, certificates: Sequence[Certificate]) -> tuple[int, ...]:
    """The moments, in micros since 1970, at which a charity's qualification begins and ends by
    turns, ascending: a moment is qualified if an odd number of them are not after it.
    """
    if not credit_code:
        return ALWAYS
    edges: list[int] = []
    for certificate in sorted(certificates):
        start = _midnight(certificate.valid_from)
        end = _midnight(certificate.valid_until + timedelta(days=1))
        if edges and start <= edges[-1]:
            edges[-1] = max(edges[-1], end)
        else:
            edges += (start, end)
    return tuple(edges)


def _overlap(one: Certificate, other: Certificate) -> bool:
    return one.valid_from <= other.valid_until and other.valid_from <= one.valid_until


def _midnight(day: date) -> int:
    return micros_of(datetime.combine(day, time(), _CHINA))
