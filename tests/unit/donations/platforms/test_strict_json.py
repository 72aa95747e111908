"""JSON as notices must have it, whichever of the two readers reads it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donations.platforms.strict_json import parse_object
from services.runtime.errors import Fault, Reason


class Fraction:
    """Stands for a number that is not whole."""


def plainly(data: bytes) -> dict[str, object] | None:
    """What the standard library alone makes of it by the same rules; None if they refuse it."""

    def object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    def refuse(_: str) -> object:
        raise ValueError

    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=object_of,
            parse_float=lambda _: Fraction(),
            parse_constant=refuse,
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read(data: bytes) -> dict[str, object] | None:
    try:
        return dict(parse_object("the body", data))
    except Fault as fault:
        if fault.reason is not Reason.NOTIFICATION_MALFORMED:
            raise
        return None


def same(ours: object, theirs: object) -> bool:
    if isinstance(theirs, Fraction):  # no number, nor anything else that a field may be
        return not isinstance(ours, int | float | str | dict | list | None)
    if isinstance(theirs, dict):
        return (
            isinstance(ours, dict)
            and list(ours) == list(theirs)
            and all(same(ours[name], theirs[name]) for name in theirs)
        )
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
texts = st.builds(
    lambda value, escaped: json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass"),
    st.dictionaries(st.text("ab"), values, max_size=4),
    st.booleans(),
)


@pytest.mark.property
@given(texts, st.data())
def test_both_readers_make_the_same_of_it(text: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    scrap = data.draw(
        st.sampled_from(
            (b"", b'"a":1,', b"\\ud83d", b"\\", b"0", b".5", b"e9", b"-", b"\xff", b" ")
        )
    )
    text = text[:place] + scrap + text[place + data.draw(st.integers(0, 2)) :]
    ours, theirs = read(text), plainly(text)
    assert (ours is None) == (theirs is None)
    assert theirs is None or same(ours, theirs)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": 1, "a": 1}', None),
        (b'{"a": {"b": 1, "\\u0062": 2}}', None),
        (b'{"a": NaN}', None),
        (b'{"a": -Infinity}', None),
        (b'\xef\xbb\xbf{"a": 1}', None),
        (b'{"a": "\xff"}', None),
        (b'{"a": 1} {"a": 1}', None),
        (b"[1]", None),
        (b'{"a": ' + b"9" * 5_000 + b"}", None),
        (b'{"a":' * 100_000, None),
        (b'{"a": 12345678901234567890}', {"a": 12_345_678_901_234_567_890}),
        # Half of a character, as a text that was cut off has it.
        (b'{"attach": "\\ud83d", "a": 1}', {"attach": "\ud83d", "a": 1}),
        (b'{"attach": "\\ud83d", "a": 1, "a": 2}', None),
    ],
)
def test_what_is_refused_and_what_is_not(text: bytes, value: dict[str, object] | None) -> None:
    assert read(text) == value


def test_a_fraction_is_no_number() -> None:
    for fraction in (b"1.0", b"1e2", b"1e999", b"-0.0"):
        value = parse_object("the body", b'{"a": ' + fraction + b"}")["a"]
        assert not isinstance(value, int | float | str)
