"""Pages of lists: their size, and the opaque token that goes on behind one."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from datetime import date
from hashlib import sha256

from services.runtime.errors import Fault, Reason

_SIZE_DEFAULT = 100
_SIZE_MAX = 1_000
_CHECK_BYTES = 8
_NUMBER_MAX = 2**63 - 1

# What columns of numbers hold that are not wide.
INTEGER_MAX = 2**31 - 1
SMALLINT_MAX = 2**15 - 1


class Position:
    """Where a page ended, to be read part by part in the order in which the parts were given.

    The check of a token is against mistakes, and whoever wants to can make one that passes and
    holds anything. So each part is read as what it must be; every method raises
    Fault(PAGE_TOKEN_INVALID) where it is something else, or where there is none.
    """

    def __init__(self, parts: Iterator[object]) -> None:
        self._parts = parts

    def number(self, most: int = _NUMBER_MAX) -> int:
        """A whole number from 0 to `most`, which is what its column holds."""
        part = next(self._parts, None)
        # Not isinstance: true and false are ints, too.
        if type(part) is not int or not 0 <= part <= most:
            raise _invalid()
        return part

    def text(self) -> str:
        """Text that a database takes: no NUL, no halves of surrogate pairs."""
        part = next(self._parts, None)
        if not isinstance(part, str) or "\0" in part:
            raise _invalid()
        try:
            part.encode()
        except UnicodeEncodeError:
            raise _invalid() from None
        return part

    def day(self) -> date:
        """A day, given as YYYY-MM-DD."""
        try:
            return date.fromisoformat(self.text())
        except ValueError:
            raise _invalid() from None

    def digest(self) -> bytes:
        """Bytes, given as hex digits."""
        try:
            return bytes.fromhex(self.text())
        except ValueError:
            raise _invalid() from None


def page_size(asked: int) -> int:
    """How many items a page holds: 0 means 100, more than 1000 means 1000.

    Raises Fault(FIELD_INVALID) below 0.
    """
    if asked < 0:
        raise Fault(
            Reason.FIELD_INVALID, "page_size must be 0 (for 100) or more", field="page_size"
        )
    return min(asked or _SIZE_DEFAULT, _SIZE_MAX)


def token_after(parts: Sequence[str | int], *scope: str) -> str:
    """A token for the page behind a position. scope: the method and its filters."""
    body = json.dumps(parts, separators=(",", ":")).encode()
    return urlsafe_b64encode(_check(scope, body) + body).rstrip(b"=").decode()


def position_of(token: str, *scope: str) -> Position:
    """The position in a token that was issued for the same scope.

    Raises Fault(PAGE_TOKEN_INVALID) for any other. A token is no secret and gives no access; the
    check keeps a mistake from looking like an answer.
    """
    try:
        data = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (UnicodeEncodeError, binascii.Error):
        raise _invalid() from None
    check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if check != _check(scope, body):
        raise _invalid()
    try:
        parts = json.loads(body)
    except (ValueError, RecursionError):  # no JSON, or some that was made to be hard to read
        raise _invalid() from None
    if not isinstance(parts, list):
        raise _invalid()
    return Position(iter(parts))


def _check(scope: tuple[str, ...], body: bytes) -> bytes:
    return sha256(json.dumps(scope).encode() + body).digest()[:_CHECK_BYTES]


def _invalid() -> Fault:
    return Fault(
        Reason.PAGE_TOKEN_INVALID,
        "page_token was not issued by this method for these filters; begin again without it, "
        "or repeat the filters of the page before",
        field="page_token",
    )
