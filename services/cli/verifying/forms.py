"""Text of a fixed shape at many places, held to what may stand at each of its bytes."""

import numpy as np

from services.cli.verifying.words import Bytes, Numbers, Places, rows_at

DIGITS_MAX = 18
_WORD = 8

TIME = (b"2000-00-00T00:00:00.000000Z", b"2099-19-39T29:59:59.999999Z")
"""A time of this century, but for what months, days and hours there are."""

DAY = (TIME[0][:10], TIME[1][:10])
HOUR = (TIME[0], TIME[1][:13] + TIME[0][13:])
"""The beginning of an hour."""

UUID = tuple(b"-".join([digit * n for n in (8, 4, 4, 4, 12)]) for digit in (b"0", b"f"))
"""An identifier, but for what hexadecimal asks of each digit."""


class Form:
    """The lowest byte that may stand at each place, and how much more the highest is."""

    def __init__(self, low: Bytes, span: Bytes) -> None:
        # One row of them; as many as are looked at, in time: numpy is slow to repeat short rows.
        self._low, self._span = low.reshape(1, -1), span.reshape(1, -1)
        self.width = len(low)

    def at(self, padded: bytes | bytearray, begins: Places) -> Bytes | None:
        """The text at these places, a row each; None if one is not in this form."""
        count = len(begins)
        if count > len(self._low):
            self._low = np.tile(self._low[:1], (count, 1))
            self._span = np.tile(self._span[:1], (count, 1))
        rows = rows_at(padded, begins, self.width)
        return rows if bool((rows - self._low[:count] <= self._span[:count]).all()) else None


def form(*parts: bytes | tuple[bytes, ...]) -> Form:
    """A form of texts that stand as they are, and of lowest and highest texts."""
    pairs = [(part, part) if isinstance(part, bytes) else part for part in parts]
    low, high = (np.frombuffer(b"".join(side), dtype=np.uint8) for side in zip(*pairs, strict=True))
    return Form(low, high - low)


def are_hexadecimal(rows: Bytes) -> bool:
    """Whether what is in 0 to f is a digit of hexadecimal, a hyphen besides."""
    return not (rows - np.uint8(ord("9") + 1) < np.uint8(ord("a") - ord("9") - 1)).any()


def changes(rows: Bytes) -> Places:
    """The first row, and those that are not what the one before them is."""
    width = rows.shape[1]
    flat = np.ascontiguousarray(rows).reshape(-1)
    changed = np.flatnonzero(flat[width:] != flat[:-width]) // width + 1
    return np.concatenate(([0], changed[:1], changed[1:][changed[1:] != changed[:-1]]))


def different(rows: Bytes) -> set[bytes]:
    """The different rows: few, which stand together."""
    return {rows[at].tobytes() for at in changes(rows).tolist()}


_ZEROS = np.uint64(0x3030_3030_3030_3030)
_OVER_NINE = np.uint64(0x7676_7676_7676_7676)
_TOP_BITS = np.uint64(0x8080_8080_8080_8080)
_LAST = np.array([(1 << 64) - (1 << 8 * (_WORD - n)) for n in range(_WORD + 1)], dtype=np.uint64)
"""What is left of eight bytes of which so many, the last, are a number's."""

_STEPS = [
    (np.uint64(multiplier), np.uint64(shift), np.uint64(mask))
    for multiplier, shift, mask in (
        (10 * (1 << 8) + 1, 8, 0x00FF_00FF_00FF_00FF),
        (100 * (1 << 16) + 1, 16, 0x0000_FFFF_0000_FFFF),
        (10_000 * (1 << 32) + 1, 32, 0xFFFF_FFFF),
    )
]
"""Each makes one number of two neighbours, in all eight bytes at once."""


def numbers_at(padded: bytes | bytearray, begins: Places, ends: Places) -> Numbers | None:
    """Decimal numbers without leading zeros, of at most 18 digits; None if one is none."""
    lengths = ends - begins
    longest = int(lengths.max())
    if lengths.min() < 1 or longest > DIGITS_MAX:
        return None
    numbers = np.zeros(len(begins), dtype=np.uint64)
    words = -(-longest // _WORD)
    rows = rows_at(padded, ends - words * _WORD, words * _WORD).view("<u8")
    for behind in range(0, longest, _WORD):
        words -= 1
        digits = rows[:, words] ^ _ZEROS
        digits &= _LAST.take(lengths - behind, mode="clip")
        if ((digits + _OVER_NINE | digits) & _TOP_BITS).any():
            return None
        for multiplier, shift, mask in _STEPS:
            digits *= multiplier
            digits >>= shift
            digits &= mask
        numbers += digits * np.uint64(10**behind)
    firsts = np.frombuffer(padded, dtype=np.uint8)[begins]
    return None if bool(((firsts == ord("0")) & (lengths > 1)).any()) else numbers
