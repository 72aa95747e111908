"""Forms and numbers in columns say what a plain reading says."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.verifying.forms import (
    TIME,
    UUID,
    are_hexadecimal,
    different,
    form,
    numbers_at,
)

ROOM = bytes(32)
DIGITS = st.text(st.sampled_from("0123456789"), min_size=1, max_size=18)


def numbers_in(words: list[bytes]) -> list[int] | None:
    ends = np.cumsum([len(word) + 1 for word in words]) - 1 + len(ROOM)
    begins = ends - [len(word) for word in words]
    found = numbers_at(ROOM + b" ".join(words) + ROOM, begins, ends)
    return None if found is None else found.tolist()


@given(st.lists(st.integers(0, 10**18 - 1), min_size=1))
def test_numbers_are_read(numbers: list[int]) -> None:
    assert numbers_in([b"%d" % number for number in numbers]) == numbers


@given(st.lists(st.integers(0, 10**18 - 1)), st.binary(min_size=1, max_size=20))
def test_what_is_no_number_is_none(numbers: list[int], other: bytes) -> None:
    found = numbers_in([*(b"%d" % number for number in numbers), other])
    if re.fullmatch(rb"0|[1-9]\d{0,17}", other):
        assert found == [*numbers, int(other)]
    else:
        assert found is None


@pytest.mark.parametrize("word", [b"", b"00", b"007", b"1" * 19, b"1x", b"\xb1", b"-1", b"1:"])
def test_these_are_no_numbers(word: bytes) -> None:
    assert numbers_in([b"5", word]) is None


@given(st.integers(0, 26), st.integers(0, 255))
def test_a_form_is_what_may_stand_at_each_byte(place: int, byte: int) -> None:
    text = bytearray(b"2026-09-05T12:34:56.789012Z")
    text[place] = byte
    rows = form(b"at ", TIME, b"\n").at(b"at " + bytes(text) + b"\n", np.array([0]))
    allowed = re.fullmatch(rb"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{6}Z", bytes(text))
    assert (rows is not None) == bool(allowed)


@given(st.integers(0, 35), st.integers(0, 255))
def test_hexadecimal_in_its_form(place: int, byte: int) -> None:
    text = bytearray(b"01234567-89ab-cdef-0123-456789abcdef")
    text[place] = byte
    rows = form(UUID).at(bytes(text), np.array([0]))
    assert (rows is not None and are_hexadecimal(rows)) == bool(
        re.fullmatch(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bytes(text))
    )


@given(
    st.lists(st.sampled_from([b"2026-09-05T12", b"2026-09-05T13", b"2025-09-05T12"]), min_size=1)
)
def test_different_rows_are_all_told(words: list[bytes]) -> None:
    rows = np.frombuffer(b"".join(words), dtype=np.uint8).reshape(len(words), -1)
    assert different(rows) == set(words)
