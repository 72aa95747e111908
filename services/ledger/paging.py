"""Pages of lists: their size, and the opaque token that goes on behind one."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from services.runtime.errors import Fault, Reason

_DEFAULT = 100
_MAX = 1_000
_CHECK_BYTES = 8

Cursor = list[str] | list[int]
"""Where a page ended."""


def page_size(asked: int) -> int:
    """How many items a page holds: 0 means 100, more than 1000 means 1000.

    Raises Fault(FIELD_INVALID) below 0.
    """
    if asked < 0:
        raise Fault(
            Reason.FIELD_INVALID, "page_size must be 0 (for 100) or more", field="page_size"
        )
    return min(asked or _DEFAULT, _MAX)


def issue_token(scope: tuple[str, ...], cursor: Cursor) -> str:
    """A token for the page behind cursor. scope: the method and its filters."""
    body = json.dumps(cursor, separators=(",", ":")).encode()
    return urlsafe_b64encode(_check(scope, body) + body).rstrip(b"=").decode()


def read_token(scope: tuple[str, ...], token: str) -> Cursor:
    """The cursor of a token that was issued for the same scope; Fault(PAGE_TOKEN_INVALID) if not.

    A token is no secret and gives no access; the check keeps mistakes from looking like answers.
    """
    try:
        data = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (UnicodeEncodeError, binascii.Error):
        data = b""
    check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if not body or check != _check(scope, body):
        raise Fault(
            Reason.PAGE_TOKEN_INVALID,
            "page_token was not issued by this method for these filters; "
            "begin again without it, or repeat the filters of the page before",
            field="page_token",
        )
    cursor: Cursor = json.loads(body)
    return cursor


def _check(scope: tuple[str, ...], body: bytes) -> bytes:
    return sha256(json.dumps(scope).encode() + body).digest()[:_CHECK_BYTES]
