"""JSON as notices must have it: UTF-8, objects whose names come once, nothing beyond the standard.

Raises Fault(NOTIFICATION_MALFORMED) with the field's name, never with its value.
"""

import json
from collections.abc import Mapping

import jiter

from services.donations.platforms.reading import malformed

Json = Mapping[str, object]

_FRACTION = object()


def parse_object(name: str, data: bytes) -> Json:
    """The JSON object that data is. name: what to call it in a fault, as "the body"."""
    try:
        value = _parsed(data)
    except (ValueError, RecursionError):
        raise malformed(f"{name} is no JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise malformed(f"{name} is no JSON object")
    return value


def text_of(value: Json, name: str) -> str:
    """A field that is a text and not empty."""
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise malformed(f"{name} is missing, or is no text")
    return text


def optional_text_of(value: Json, name: str) -> str:
    """A field that may be missing; "" for whatever is no text."""
    text = value.get(name)
    return text if isinstance(text, str) else ""


def object_of(value: Json, name: str) -> Json:
    """A field that is an object."""
    inner = value.get(name)
    if not isinstance(inner, dict):
        raise malformed(f"{name} is missing, or is no object")
    return inner


def objects_of(value: Json, name: str) -> list[Json]:
    """A field that is a list of objects."""
    inner = value.get(name)
    if not isinstance(inner, list) or not all(isinstance(item, dict) for item in inner):
        raise malformed(f"{name} is missing, or is no list of objects")
    return inner


def _parsed(data: bytes) -> object:
    """Raises ValueError, or RecursionError.

    What the quick reader refuses, the standard library judges: JSON may well hold half a character
    (an escaped surrogate alone), which is no reason to refuse a gift.
    """
    try:
        return jiter.from_json(
            data,
            allow_inf_nan=False,
            cache_mode="keys",  # never values, which may be personal
            catch_duplicate_keys=True,
            float_mode="lossless-float",  # no number: see _fraction
        )
    except ValueError:
        return _DECODER.decode(data.decode("utf-8"))


def _object_of_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name comes twice")
    return value


def _fraction(_: str) -> object:
    """No field that is read is a JSON fraction; as nothing in particular, none passes for one."""
    return _FRACTION


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_of_pairs, parse_float=_fraction, parse_constant=_refuse_constant
)
