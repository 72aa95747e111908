"""Answers as the bytes that go out, where they do not go through aiohttp."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from services.gateway.http.exchange import SECURITY_HEADERS

_WITHOUT_BODY = frozenset({204, 304})


def head_of(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """What all answers with these headers and this body begin with; body is not in it.

    Raises ValueError if a header would end its line.
    """
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:  # a status of somebody's own
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}"]
    for name, value in {**headers, **SECURITY_HEADERS}.items():
        if not (name + value).isprintable():
            raise ValueError(f"the header {name} is not of printable characters")
        lines.append(f"{name}: {value}")
    if status not in _WITHOUT_BODY:
        lines.append(f"Content-Length: {len(body)}")
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")


def written(head: bytes, status: int, body: bytes, request_id: str) -> bytes:
    """The answer to one request."""
    rest = f"Date: {_date(int(time.time()))}\r\nX-Request-Id: {request_id}\r\n\r\n"
    return b"%b%b%b" % (head, rest.encode("ascii"), b"" if status in _WITHOUT_BODY else body)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
