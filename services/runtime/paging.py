"""Pages of lists: their size, and the opaque token that goes on behind one."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from services.runtime.errors import Fault, Reason

_SIZE_DEFAULT = 100
_SIZE_MAX = 1_000
_CHECK_BYTES = 8

Position = list[str | int]
"""Where a page ended."""


def page_size(asked: int) -> int:
    """How many items a page holds: 0 means 100, more than 1000 means 1000.

    Raises Fault(FIELD_INVALID) below 0.
    """
    if asked < 0:
        raise Fault(
            Reason.FIELD_INVALID, "page_size must be 0 (for 100) or more", field="page_size"
        )
    return min(asked or _SIZE_DEFAULT, _SIZE_MAX)


def token_after(position: Position, *scope: str) -> str:
    """A token for the page behind a position. scope: the method and its filters."""
    body = json.dumps(position, separators=(",", ":")).encode()
    return urlsafe_b64encode(_check(scope, body) + body).rstrip(b"=").decode()


def position_of(token: str, *scope: str) -> Position:
    """The position in a token that was issued for the same scope.

    Raises Fault(PAGE_TOKEN_INVALID) for any other. A token is no secret and gives no access; the
    check keeps a mistake from looking like an answer.
    """
    try:
        data = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (UnicodeEncodeError, binascii.Error):
        data = b""
    check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if not body or check != _check(scope, body):
        raise Fault(
            Reason.PAGE_TOKEN_INVALID,
            "page_token was not issued by this method for these filters; begin again without it, "
            "or repeat the filters of the page before",
            field="page_token",
        )
    position: Position = json.loads(body)
    return position


def _check(scope: tuple[str, ...], body: bytes) -> bytes:
    return sha256(json.dumps(scope).encode() + body).digest()[:_CHECK_BYTES]
