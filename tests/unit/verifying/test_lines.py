"""Ends of lines and spaces are found where a plain reading finds them."""

import re
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.cli.verifying.lines import Spaces, line_ends
from services.cli.verifying.room import FRONT, PAD, room_for

LINE = st.one_of(
    st.just(b""), st.text(st.characters(codec="ascii"), min_size=8, max_size=40).map(str.encode)
)


def room_of(text: bytes) -> bytearray:
    room = room_for(len(text))
    room[FRONT:-PAD] = text
    return room


@given(st.lists(st.one_of(LINE, st.binary(min_size=8, max_size=20)), max_size=40))
def test_lines_end_where_they_end(lines: list[bytes]) -> None:
    text = b"".join(line + b"\n" for line in lines)
    # The first of several bytes that are not printed, which must be a line's end.
    low = [match.start() for match in re.finditer(rb"[^ -\x7f]+", text)]
    found = line_ends(room_of(text))
    if found is None:
        near = any(later // 8 == earlier // 8 for earlier, later in pairwise(low))
        assert near or any(text[place] != ord("\n") for place in low)
    else:
        assert (found.places - FRONT).tolist() == low
        assert all(text[place] == ord("\n") for place in low)
        empty = [place for place in low if text[place : place + 2] == b"\n\n"]
        assert (found.places[found.last] - FRONT).tolist() == empty


@given(st.lists(LINE, min_size=1, max_size=40), st.data())
def test_spaces_are_found_however_far(lines: list[bytes], data: st.DataObject) -> None:
    text = b"\n".join(lines)
    places = data.draw(st.lists(st.integers(0, len(text)), min_size=1))
    room = np.frombuffer(room_of(text), dtype=np.uint8)
    found = Spaces(room).behind(np.array(places) + FRONT) - FRONT
    assert found.tolist() == [(text + b" ").index(b" ", place) for place in places]
