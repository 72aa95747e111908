"""Exact reading of the values that platforms' notices share.

Everything here raises Fault(NOTIFICATION_MALFORMED) with the field's name, never with its value:
values may be personal.
"""

import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote

from services.donations.platforms.protocol import BODY_LIMIT_BYTES, Notice
from services.runtime.errors import Fault, Reason

_INT64_MAX = 2**63 - 1
_MICROS = 1_000_000
_MICROS_PER_FEN = 10_000
_DECIMAL = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,6}))?")
_IDENTIFIER = re.compile(r"[!-~]{1,64}")
_CODE = re.compile(r"[a-z0-9._-]{1,64}")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)
_DONOR_REFERENCE_MAX_BYTES = 128
_ATTRIBUTION_MAX_PARTS = 32


def malformed(message: str) -> Fault:
    """The fault of a notice that is not what its platform's documents describe."""
    return Fault(Reason.NOTIFICATION_MALFORMED, message)


def require_post(notice: Notice) -> None:
    """Raises unless the notice is a POST with a body within the limit."""
    if notice.http_method != "POST":
        raise malformed("this platform's notices are POST requests; send the notice by POST")
    if len(notice.body) > BODY_LIMIT_BYTES:
        raise malformed(f"the body is longer than {BODY_LIMIT_BYTES} bytes, as no notice is")


def micros_of_decimal(name: str, text: str) -> int:
    """A decimal such as "12.34" in micros. At most six decimals; no sign, no exponent."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise malformed(f"{name} is no decimal amount such as 12.34")
    units, decimals = match.group(1), match.group(2) or ""
    micros = int(units) * _MICROS + int(decimals.ljust(6, "0"))
    if micros > _INT64_MAX:
        raise malformed(f"{name} is beyond every amount")
    return micros


def micros_of_fen(name: str, value: object) -> int:
    """A positive JSON integer of fen (1/100 CNY) in micros."""
    # bool is an int to Python; true is no amount.
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise malformed(f"{name} is no positive whole number of fen")
    if value > _INT64_MAX // _MICROS_PER_FEN:
        raise malformed(f"{name} is beyond every amount")
    return value * _MICROS_PER_FEN


def is_identifier(text: str) -> bool:
    """Whether text can be an id here: 1 to 64 printable ASCII characters without spaces."""
    return _IDENTIFIER.fullmatch(text) is not None


def identifier(name: str, text: str) -> str:
    """text, if it can be an id here."""
    if not is_identifier(text):
        raise malformed(f"{name} is not 1 to 64 printable ASCII characters without spaces")
    return text


def rfc3339_time(name: str, text: str) -> datetime:
    """A time such as "2018-06-08T10:34:56+08:00" in UTC; what is below a microsecond is cut off."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise malformed(f"{name} is no RFC 3339 time with an offset")
    seconds, fraction, offset = match.groups()
    try:
        return datetime.fromisoformat(f"{seconds}{(fraction or '')[:7]}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise malformed(f"{name} names a moment that does not exist") from None


def attribution(text: str) -> tuple[str, str]:
    """(campaign, project) of the merchant's own text, `campaign=<code>&project=<code>`.

    The platform hands the text back as the merchant set it, so it proves nothing and may be
    anything: whatever is no code reads as "", and the gift stands in suspense. The text may be
    percent-encoded once more than the notice around it, as Alipay asks merchants to do.
    """
    if "=" not in text:
        text = unquote(text)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_ATTRIBUTION_MAX_PARTS)
    except ValueError:
        return "", ""
    return _code("campaign", pairs), _code("project", pairs)


def _code(name: str, pairs: list[tuple[str, str]]) -> str:
    values = [value for key, value in pairs if key == name]
    # Named twice is as good as not named: nothing says which was meant.
    return values[0] if len(values) == 1 and _CODE.fullmatch(values[0]) else ""


def donor_reference(text: str) -> str:
    """The platform's id of the payer, or "" if there is none that can be kept."""
    usable = text.isascii() and text.isprintable() and len(text) <= _DONOR_REFERENCE_MAX_BYTES
    return text if usable else ""
