"""Exact reading of the values that platforms' notices share.

Everything here raises Fault(NOTIFICATION_MALFORMED) with the field's name, never with its value:
values may be personal.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

from services.donations.gifts.validation import (
    DONOR_REFERENCE_BYTES_MAX,
    is_code,
    is_external_id,
)
from services.donations.platforms.protocol import BODY_LIMIT_BYTES, Notice
from services.runtime.errors import Fault, Reason

TOLERANCE_SECONDS = 300
"""How far a signed time may be off this server's clock, where each sending is signed anew."""

# China has had no daylight saving since 1991.
_SHANGHAI = timezone(timedelta(hours=8))
_INT64_MAX = 2**63 - 1
_MICROS = 1_000_000
_MICROS_PER_FEN = 10_000
_DECIMAL = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,6}))?")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,14}")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)
_SHANGHAI_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?")
# Eleven digits are a number of milliseconds, or no time at all.
_UNIX_TIME_END = 10**10
_TIMESTAMP = re.compile(r"[0-9]{1,11}")
_ATTRIBUTION_MAX_PARTS = 32
_KEPT_TEXT_MAX = 256


def malformed(message: str) -> Fault:
    """The fault of a notice that is not what its platform's documents describe."""
    return Fault(Reason.NOTIFICATION_MALFORMED, message)


def require_post(notice: Notice) -> None:
    """Raises unless the notice is a POST with a body within the limit."""
    if notice.http_method != "POST":
        raise malformed("this platform's notices are POST requests; send the notice by POST")
    if len(notice.body) > BODY_LIMIT_BYTES:
        raise malformed(f"the body is longer than {BODY_LIMIT_BYTES} bytes, as no notice is")


def require_get(notice: Notice) -> None:
    """Raises unless the notice is a GET, whose query is ASCII and within a body's limit."""
    if notice.http_method != "GET":
        raise malformed("this platform's notices are GET requests; send the notice by GET")
    if len(notice.query) > BODY_LIMIT_BYTES:
        raise malformed(f"the query is longer than {BODY_LIMIT_BYTES} bytes, as no notice is")
    if not notice.query.isascii():
        raise malformed("the query is not ASCII; percent-encode the rest")


def require_recipient(name: str, theirs: str, ours: str) -> None:
    """Raises RECIPIENT_MISMATCH unless the notice is meant for us. name: the field that says so."""
    if theirs != ours:
        raise Fault(
            Reason.RECIPIENT_MISMATCH,
            f"the notice is for another {name} than the configured one; "
            "check platforms.toml and where the notice was sent to",
        )


def require_recent(name: str, timestamp: str, now: datetime) -> None:
    """Raises TIMESTAMP_STALE if a signed time, in Unix seconds, is too far off now."""
    if _TIMESTAMP.fullmatch(timestamp) is None:
        raise malformed(f"{name} is no number of seconds")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise Fault(
            Reason.TIMESTAMP_STALE,
            f"{name} is more than {TOLERANCE_SECONDS} s off this server's clock; "
            "a replay, or one of the clocks is wrong",
        )


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
    return micros_of_units(name, value, _MICROS_PER_FEN)


def micros_of_units(name: str, value: object, micros_per_unit: int) -> int:
    """A positive JSON integer of a currency's smallest unit in micros."""
    # bool is an int to Python; true is no amount.
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise malformed(f"{name} is no positive whole number")
    if value > _INT64_MAX // micros_per_unit:
        raise malformed(f"{name} is beyond every amount")
    return value * micros_per_unit


def whole_number(name: str, text: str) -> int:
    """A text of digits such as "1234"; no sign, no leading zero, at most 15 digits."""
    if _WHOLE.fullmatch(text) is None:
        raise malformed(f"{name} is no whole number")
    return int(text)


def identifier(name: str, text: str) -> str:
    """text, if it can be an id here."""
    if not is_external_id(text):
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


def shanghai_time(name: str, text: str) -> datetime:
    """A time of Asia/Shanghai such as "2018-05-25 03:03:59.922", in UTC."""
    if _SHANGHAI_TIME.fullmatch(text) is None:
        raise malformed(f"{name} is no time such as 2018-05-25 03:03:59")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=_SHANGHAI).astimezone(UTC)
    except (ValueError, OverflowError):
        raise malformed(f"{name} names a moment that does not exist") from None


def unix_time(name: str, value: object) -> datetime:
    """A JSON integer of seconds since 1970, in UTC."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _UNIX_TIME_END:
        raise malformed(f"{name} is no whole number of seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def attribution(text: str) -> tuple[str, str]:
    """(campaign, project) of the merchant's own text, `campaign=<code>&project=<code>`.

    The platform hands the text back as the merchant set it, so it proves nothing and may be
    anything: whatever is no code reads as "", and the gift stands in suspense. The text may be
    percent-encoded once more than the notice around it, as Alipay asks merchants to do.
    """
    # A shop's texts are few: one for each project in each campaign.
    return _kept_attribution(text) if len(text) <= _KEPT_TEXT_MAX else _attribution(text)


def _attribution(text: str) -> tuple[str, str]:
    if "=" not in text:
        text = unquote(text)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_ATTRIBUTION_MAX_PARTS)
    except ValueError:
        return "", ""
    return _code("campaign", pairs), _code("project", pairs)


_kept_attribution = lru_cache(maxsize=4_096)(_attribution)


def code_or_nothing(text: str) -> str:
    """text if it can be the code of a project or a campaign, else ""."""
    return text if is_code(text) else ""


def _code(name: str, pairs: list[tuple[str, str]]) -> str:
    values = [value for key, value in pairs if key == name]
    # Named twice is as good as not named: nothing says which was meant.
    return code_or_nothing(values[0]) if len(values) == 1 else ""


def donor_reference(text: str) -> str:
    """The platform's id of the payer, or "" if there is none that can be kept."""
    usable = text.isascii() and text.isprintable() and len(text) <= DONOR_REFERENCE_BYTES_MAX
    return text if usable else ""
