"""Which words stand at many places of a text, in columns: read as numbers of eight bytes each."""

import numpy as np
import numpy.typing as npt

from services.cli.verifying.room import PAD

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.uint64]

_WORD = 8
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(_WORD + 1)], dtype="<u8")
"""What is left of eight bytes of which so many are a word's."""

# Sums of products by odd numbers: columns of zeros, behind a shorter word's end, add nothing.
_ODD = [np.uint64(pow(0x9E37_79B9_7F4A_7C15, n, 1 << 64)) for n in range(1, PAD // _WORD + 1)]
_LAST_ODD = np.uint64(0xC2B2_AE3D_27D4_EB4F)
_HALF = np.uint64(32)


def rows_at(padded: bytes | bytearray, begins: Places, width: int) -> Bytes:
    """The bytes at some places, a row each, copied as wholes: far quicker than byte by byte."""
    every = np.ndarray(len(padded) - width + 1, f"V{width}", padded, strides=(1,))
    return every[begins].view(np.uint8).reshape(len(begins), width)


def words_at(padded: bytes | bytearray, begins: Places) -> Numbers:
    """The eight bytes at some places, the first of them the lowest."""
    every = np.ndarray(len(padded) - _WORD + 1, "<u8", padded, strides=(1,))
    numbers: Numbers = every[begins]
    return numbers


def columns_at(padded: bytes | bytearray, begins: Places, lengths: Places) -> list[Numbers]:
    """The words of these lengths, the first eight bytes of each, the next eight, and so on, with
    zeros behind its end. Raises ValueError for words that are empty, or longer than PAD allows.
    """
    longest, shortest = int(lengths.max()), int(lengths.min())
    if shortest < 1 or longest > PAD - _WORD:
        raise ValueError("a word is empty or too long")
    count = -(-longest // _WORD)
    rows = rows_at(padded, begins, count * _WORD).view("<u8")
    columns = list(np.ascontiguousarray(rows.T))
    for number in range(shortest // _WORD, count):
        columns[number] &= _MASKS.take(lengths - number * _WORD, mode="clip")
    return columns


def hashes_of(columns: list[Numbers]) -> Numbers:
    """A number for each word, which depends on all of its bytes, the upper bits above all."""
    hashes = columns[0] * _ODD[0]
    for column, odd in zip(columns[1:], _ODD[1:], strict=False):
        hashes += column * odd
    hashes ^= hashes >> _HALF
    hashes *= _LAST_ODD
    return hashes
