"""Where a stretch's lines end, and its words, found in columns of numpy."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.cli.verifying.room import FRONT, PAD
from services.cli.verifying.words import Bytes, Numbers, Places

_WORD = 8
_NUMBER_OF_BYTE = np.uint64(0x0001_0203_0405_0607)
"""Times a word in which one byte is 1, and the others 0, its upper byte is that byte's number."""
_UPPER = np.uint64(56)
_EMPTY_LINE = np.uint16(int.from_bytes(b"\n\n"))
_ONE = np.uint64(1)

_SURE_BITS = 57
"""How many of eight bytes' bits are left behind any of the first byte's."""


class Ends(NamedTuple):
    """places: where lines end. last: the indices of those that an empty line follows, which is not
    among them.
    """

    places: Places
    last: Places


def line_ends(room: bytes | bytearray) -> Ends | None:
    """The ends of the lines of a text: all bytes that are no printed ASCII, but for those right
    behind such a one. None if one of these is no line's end, and where lines are shorter than
    eight bytes and not empty.
    """
    size = -(-(len(room) - FRONT - PAD) // _WORD) * _WORD
    # Signed, bytes beyond ASCII are less than nothing.
    signed = np.frombuffer(room, dtype=np.int8, count=size + 1, offset=FRONT - 1)
    low = signed < ord(" ")
    words = np.greater(low[1:], low[:-1]).view("<u8")
    found = np.flatnonzero(words != 0)
    hits = words[found]
    if bool((hits & (hits - _ONE)).any()):
        return None
    hits *= _NUMBER_OF_BYTE
    hits >>= _UPPER
    places = found * _WORD + hits.view(np.intp)
    places += FRONT
    pairs = np.ndarray(len(room) - 1, "<u2", room, strides=(1,))[places]
    if bool((pairs.view(np.uint8)[::2] != ord("\n")).any()):
        return None
    return Ends(places, np.flatnonzero(pairs == _EMPTY_LINE))


class Spaces:
    """The spaces of a room, as bits."""

    def __init__(self, room: Bytes) -> None:
        bits = np.packbits(room == ord(" "), bitorder="little")
        self._words: Numbers = np.ndarray(len(bits) - _WORD + 1, "<u8", bits, strides=(1,))

    def behind(self, places: Places) -> Places:
        """The first space at or behind each place of the text, or else of what is behind it."""
        spaces, are_found = self._near(places)
        far = np.flatnonzero(~are_found)
        places = places[far]
        while len(far):  # a word as long as a stretch takes many rounds
            places += _SURE_BITS
            spaces[far], are_found = self._near(places)
            far, places = far[~are_found], places[~are_found]
        return spaces

    def _near(self, places: Places) -> tuple[Places, npt.NDArray[np.bool_]]:
        """The first space at or behind each place, and whether it is among the next _SURE_BITS."""
        bits = self._words[places >> 3]
        bits >>= (places & 7).view(np.uint64)
        # The zeros below the lowest bit.
        return places + np.bitwise_count(~bits & (bits - _ONE)), bits != 0
