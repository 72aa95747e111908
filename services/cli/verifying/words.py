"""Which words stand at many places of a text: the different ones, and which one each place has.

By hashing in columns: the words are read as numbers of eight bytes, and a table, in which the last
place with a hash stands for all with it, finds each its like. Likeness is always compared, never
trusted to the hash; what only shares its slot with another word goes a further round.
"""

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.uint64]
Found = tuple[list[bytes], Places]

PAD = 256
"""How many bytes must stand behind the text that words are sought in; longer words take longer."""

_WORD = 8
_ROUNDS = 8
_TABLE_BITS = 15
_ODD = tuple(np.uint64(odd) for odd in (0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F))
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(_WORD + 1)], dtype="<u8")
"""What is left of eight bytes of which so many are a word's."""


def rows_at(padded: bytes | bytearray, begins: Places, width: int) -> Bytes:
    """The bytes at some places, a row each, copied as wholes: far quicker than byte by byte."""
    every = np.ndarray(len(padded) - width + 1, f"V{width}", padded, strides=(1,))
    return every[begins].view(np.uint8).reshape(len(begins), width)


def words_at(padded: bytes | bytearray, begins: Places) -> Numbers:
    """The eight bytes at some places, the first of them the lowest."""
    every = np.ndarray(len(padded) - _WORD + 1, "<u8", padded, strides=(1,))
    numbers: Numbers = every[begins]
    return numbers


def coded(padded: bytes | bytearray, begins: Places, ends: Places) -> Found:
    """The different words, none empty, and for each place its word's index.

    padded: the text and PAD bytes. Raises ValueError for words that are longer than those, and if,
    which chance does not bring about, words keep sharing slots.
    """
    lengths = ends - begins
    longest, shortest = int(lengths.max()), int(lengths.min())
    if longest > PAD - _WORD:
        raise ValueError("a word is too long")
    columns = [lengths.view(np.uint64)] if longest != shortest else []
    for at in range(0, longest, _WORD):
        places = begins + at
        if at + _WORD > shortest:
            # The last eight bytes where fewer are left: what is read twice does no harm.
            np.minimum(places, ends - _WORD, out=places)
        if shortest < _WORD:
            np.maximum(places, begins, out=places)
        columns.append(words_at(padded, places))
    if shortest < _WORD:
        masks = _MASKS[np.minimum(lengths, _WORD)]
        for column in columns[-((longest + _WORD - 1) // _WORD) :]:
            column &= masks
    hashes = columns[0] * _ODD[0]
    for column in columns[1:]:
        hashes += column
        hashes *= _ODD[0]
    hashes ^= hashes >> np.uint64(29)
    hashes *= _ODD[1]
    likes = _likes(columns, hashes)
    firsts = np.flatnonzero(likes == np.arange(len(likes)))
    numbers = np.empty(len(likes), dtype=np.intp)
    numbers[firsts] = np.arange(len(firsts))
    bounds = zip(begins[firsts].tolist(), ends[firsts].tolist(), strict=True)
    view = memoryview(padded)
    return [view[begin:end].tobytes() for begin, end in bounds], numbers[likes]


def _likes(columns: list[Numbers], hashes: Numbers) -> Places:
    """For each place one that holds the same word; the same one for all of them."""
    rest: Places = np.arange(len(hashes))
    likes = np.empty_like(rest)
    table = np.empty(1 << _TABLE_BITS, dtype=np.intp)
    own = columns
    for _ in range(_ROUNDS):
        slots = (hashes >> np.uint64(64 - _TABLE_BITS)).view(np.intp)
        table[slots] = rest
        found = table[slots]
        likes[rest] = found
        same = np.ones(len(rest), dtype=bool)
        for mine, column in zip(own, columns, strict=True):
            same &= mine == column[found]
        apart = np.flatnonzero(~same)
        if not len(apart):
            return likes
        rest = rest[apart]
        own = [column[rest] for column in columns]
        hashes = hashes[apart] * _ODD[1]
        hashes ^= hashes >> np.uint64(31)
    raise ValueError("too many words share their slots")
