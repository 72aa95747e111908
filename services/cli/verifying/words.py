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


def rows_at(padded: bytes, begins: Places, width: int) -> Bytes:
    """The bytes at some places, a row each, copied as wholes: far quicker than byte by byte."""
    every = np.ndarray(len(padded) - width + 1, f"V{width}", padded, strides=(1,))
    return every[begins].view(np.uint8).reshape(len(begins), width)


def coded(padded: bytes, begins: Places, ends: Places) -> Found:
    """The different words, none empty, and for each place its word's index.

    padded: the text and PAD bytes. Raises ValueError for words that are longer than those, and if,
    which chance does not bring about, words keep sharing slots.
    """
    lengths = ends - begins
    longest = int(lengths.max())
    if longest > PAD - _WORD:
        raise ValueError("a word is too long")
    columns = [_column(padded, begins, lengths, at) for at in range(0, longest, _WORD)]
    hashes = np.zeros(len(begins), dtype=np.uint64)
    for column in columns:
        hashes ^= column
        hashes *= _ODD[0]
        hashes ^= hashes >> np.uint64(29)
    likes = _likes(columns, hashes)
    firsts = np.flatnonzero(likes == np.arange(len(likes)))
    numbers = np.empty(len(likes), dtype=np.intp)
    numbers[firsts] = np.arange(len(firsts))
    bounds = zip(begins[firsts].tolist(), ends[firsts].tolist(), strict=True)
    return [padded[begin:end] for begin, end in bounds], numbers[likes]


def _column(padded: bytes, begins: Places, lengths: Places, at: int) -> Numbers:
    """Eight bytes of each word, those behind its end as zeros, which are in no word."""
    column = rows_at(padded, begins + at, _WORD).view("<u8")[:, 0]
    column &= _MASKS[np.clip(lengths - at, 0, _WORD)]
    return column


def _likes(columns: list[Numbers], hashes: Numbers) -> Places:
    """For each place one that holds the same word; the same one for all of them."""
    likes: Places = np.arange(len(hashes))
    rest: Places = likes
    table = np.empty(1 << _TABLE_BITS, dtype=np.int32)
    for _ in range(_ROUNDS):
        slots = hashes[rest] >> np.uint64(64 - _TABLE_BITS)
        table[slots] = rest
        found = table[slots]
        same = np.ones(len(rest), dtype=bool)
        for column in columns:
            same &= column[rest] == column[found]
        likes[rest[same]] = found[same]
        rest = rest[~same]
        if not len(rest):
            return likes
        hashes = hashes * _ODD[1]
        hashes ^= hashes >> np.uint64(31)
    raise ValueError("too many words share their slots")
