"""Arrays as parameters, in PostgreSQL's text form, for statements that CAST them to their type.

The driver's own way looks at every element in turn, at five times the cost.
https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from collections.abc import Iterable
from datetime import datetime


def array(values: Iterable[int] | Iterable[str] | Iterable[datetime]) -> str:
    """One array. Strings must be codes: with neither a quotation mark nor a backslash in them."""
    items = list(map(str, values))
    # Quoted, so that no code is taken for NULL; numbers may be quoted, too.
    return '{"' + '","'.join(items) + '"}' if items else "{}"


def text_array(values: Iterable[str]) -> str:
    """One array of any strings."""
    return array([value.replace("\\", r"\\").replace('"', r"\"") for value in values])


def bytes_array(values: Iterable[bytes]) -> str:
    """One array of bytes, in bytea's hexadecimal form."""
    return array([rf"\\x{value.hex()}" for value in values])


def optional_array(values: Iterable[str | None]) -> str:
    """One array of codes or times, some of which may be missing."""
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"
