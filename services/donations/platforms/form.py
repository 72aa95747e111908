"""Forms as notices bring them, in a body or after "?": application/x-www-form-urlencoded.

Raises Fault(NOTIFICATION_MALFORMED) with the field's name, never with its value.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from services.donations.platforms.reading import malformed

_FIELDS_MAX = 256
_NAME = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

Fields = Mapping[bytes, bytes]


def read_form(form: bytes) -> dict[bytes, bytes]:
    """The form's parameters, decoded to bytes. Raises if one comes twice: what was signed would
    then depend on who reads it.
    """
    if form.count(b"&") >= _FIELDS_MAX:
        raise malformed(f"the form has more than {_FIELDS_MAX} parameters")
    fields: dict[bytes, bytes] = {}
    for part in form.split(b"&"):
        raw_name, equals, raw_value = part.partition(b"=")
        name = _decoded(raw_name)
        if not equals or _NAME.fullmatch(name) is None:
            raise malformed("the notice is not an application/x-www-form-urlencoded form")
        if name in fields:
            raise malformed(f"the form has the parameter {name.decode()} twice")
        fields[name] = _decoded(raw_value)
    return fields


def optional_field(fields: Fields, name: str) -> str:
    """A parameter's text; "" where it is missing, as platforms leave out what has no value."""
    # What is not ASCII fits no field that is read here, and is told by that field's own check.
    return fields.get(name.encode(), b"").decode("ascii", "replace")


def required_field(fields: Fields, name: str) -> str:
    """A parameter's text. Raises if it is missing or empty."""
    if value := optional_field(fields, name):
        return value
    raise malformed(f"{name} is missing")


def _decoded(raw: bytes) -> bytes:
    if _BROKEN_ESCAPE.search(raw):
        raise malformed("the form has a % that begins no escape")
    return unquote_to_bytes(raw.replace(b"+", b" "))
