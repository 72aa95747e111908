"""The quick way through a stretch of entries: all of them at once, in columns of numpy.

It takes only what is in the plainest form, which nearly everything is: version 2, ASCII, plain
transfers. Of anything else, and of anything that is not as it should be, it says nothing but that,
and the stretch is read entry by entry (segment.py). So it never finds a fault, and never hides one.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.cli.verifying.text import is_day
from services.cli.verifying.words import PAD, Bytes, Found, Numbers, Places, coded, rows_at

_FIXED = 8
"""The lines of an entry before its metadata."""

_DIGITS_MAX = 18
_YEAR_MAX = 2899
_KIND = re.compile(rb"[A-Z_]{1,64}")
_KEY = re.compile(rb"[a-z0-9._/-]{1,64}")
_CODES_AND_HOUR = re.compile(
    rb"(?:[a-z0-9._-]{1,64}|~) (?:[a-z0-9._-]{1,64}|~) "
    rb"(?:\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):00:00\.000000Z|~)"
)

_HEX = np.zeros(256, dtype=bool)
_HEX[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = True


_LINES_MAX = 1 << 20
"""So that a float holds sums of the halves of as many amounts exactly."""

_KEPT_BYTES = 31 << 20
"""A block that is taken and given back untouched: after one so large glibc keeps the memory of all
that are smaller for the next columns. To get it anew from the system takes a fifth of the reading.
"""

_LOW = np.uint64(0xFFFF_FFFF)
_HALF = np.uint64(32)
_NOTHING = (0, 0)


class Unusual(Exception):
    """Something is not in the plainest form, or is wrong."""


class Columns(NamedTuple):
    """What a stretch says. begins: where each entry does. sums: debits and credits by account and
    currency.
    """

    begins: list[int]

    first: int
    transfers: int
    first_time: bytes
    last_time: bytes
    last_day: bytes
    sums: dict[tuple[bytes, bytes], tuple[int, int]]


def read_columns(data: bytes, held: frozenset[tuple[bytes, bytes]]) -> Columns:
    """Reads a stretch of whole entries; hashes are the caller's business. Raises Unusual.

    held: the accounts that there are, with their currencies.
    """
    if not data.isascii() or b"\\" in data or b"\x7f" in data:
        raise Unusual
    bytes(_KEPT_BYTES)
    try:
        return _Reading(data, held).run()
    except (IndexError, ValueError) as error:  # a form with fewer lines or fields
        raise Unusual from error


class _Reading:
    def __init__(self, data: bytes, held: frozenset[tuple[bytes, bytes]]) -> None:
        self._data = data
        self._padded = data + bytes(PAD)
        self._held = held
        self._bytes: Bytes = np.frombuffer(data, dtype=np.uint8)
        self._gaps: Places = np.flatnonzero(self._bytes <= 32)
        kinds = self._bytes[self._gaps]
        line_ends: Places = np.flatnonzero(kinds == 10)
        _require(len(line_ends) + np.count_nonzero(kinds == 32) == len(kinds))
        self._ends: Places = self._gaps[line_ends]
        self._starts: Places = np.concatenate(([0], self._ends[:-1] + 1))
        self._lengths = self._ends - self._starts
        # Of the gaps, the first of each line, and how many spaces it has.
        self._first_gaps: Places = np.concatenate(([0], line_ends[:-1] + 1))
        self._space_counts = line_ends - self._first_gaps

    def run(self) -> Columns:
        _require(self._ends[-1] == len(self._data) - 1)
        blank = np.flatnonzero(self._lengths == 0)
        first = np.concatenate(([0], blank[:-1] + 1))
        _require(blank[-1] == len(self._ends) - 1 and bool((blank - first > _FIXED).all()))
        sequences, times, last_day = self._read_heads(first)
        self._require_hashes(blank - 1)
        body = np.ones(len(self._ends), dtype=bool)
        for line in (*(first + number for number in range(_FIXED)), blank, blank - 1):
            body[line] = False
        lines = np.flatnonzero(body)
        begins = self._bytes[self._starts[lines]]
        metadata, transfers = lines[begins == ord("m")], lines[begins == ord("t")]
        _require(len(metadata) + len(transfers) == len(lines))
        # No line of metadata stands behind one of a transfer: they would follow each other.
        is_transfer = np.zeros(len(self._ends), dtype=bool)
        is_transfer[transfers] = True
        _require(not is_transfer[metadata - 1].any())
        self._require_metadata(metadata)
        sums = self._read_transfers(transfers) if len(transfers) else {}
        first_time, last_time = times[0].tobytes(), times[-1].tobytes()
        return Columns(
            self._starts[first].tolist(),
            int(sequences[0]),
            len(transfers),
            first_time,
            last_time,
            last_day,
            sums,
        )

    # Lines before the metadata.

    def _read_heads(self, first: Places) -> tuple[Numbers, Bytes, bytes]:
        """Numbers, recorded times, and the latest day, of entries with these first lines."""
        self._fixed(first, b"watersmeet entry 2", 0)
        self._prefix(first + 1, b"sequence ")
        sequences = self._numbers(self._starts[first + 1] + 9, self._ends[first + 1])
        _require(sequences[0] > 0 and bool((sequences == sequences[0] + _ramp(len(first))).all()))
        recorded = self._fixed(first + 2, b"recorded_time ", 27)
        keys = _times(recorded)
        _require(bool((keys[1:] >= keys[:-1]).all()))
        days = _days(self._fixed(first + 3, b"value_date ", 10))
        _days(self._fixed(first + 4, b"book_date ", 10))
        ids = self._fixed(first + 5, b"entry_id ", 36)
        hyphens = [8, 13, 18, 23]
        _require(bool((ids[:, hyphens] == ord("-")).all()))
        _require(bool(_HEX[np.delete(ids, hyphens, axis=1)].all()))
        self._require_causes(first + 6)
        _times(self._fixed(first + 7, b"value_time ", 27))
        return sequences, recorded, days

    def _require_causes(self, lines: Places) -> None:
        self._prefix(lines, b"cause ")
        spaces = self._spaces_in(lines, 2)
        for kind in self._coded(spaces[:, 0] + 1, spaces[:, 1])[0]:
            _require(_KIND.fullmatch(kind))
        lengths = self._ends[lines] - spaces[:, 1] - 1
        _require(bool(((lengths >= 1) & (lengths <= 128)).all()))

    def _require_hashes(self, lines: Places) -> None:
        """Only their form: what they are the caller compares."""
        self._fixed(lines, b"hash ", 64)

    # Metadata and transfers.

    def _require_metadata(self, lines: Places) -> None:
        if not len(lines):
            return
        self._prefix(lines, b"metadata ")
        second = self._gaps[self._first_gaps[lines] + 1]
        closing = self._ends[lines] - 1
        _require(bool((second + 1 < closing).all()))
        # Two quotes of each line stand where they must, and there are no others.
        quote = np.uint8(ord('"'))
        _require(bool((self._bytes[second + 1] == quote).all()))
        _require(bool((self._bytes[closing] == quote).all()))
        _require(np.count_nonzero(self._bytes == quote) == 2 * len(lines))
        words, codes = self._coded(self._starts[lines] + len(b"metadata "), second)
        for key in words:
            _require(_KEY.fullmatch(key))
        ranks = np.argsort(np.argsort(np.array(words, dtype=object)))[codes]
        together = lines[1:] == lines[:-1] + 1
        _require(bool((ranks[1:] > ranks[:-1])[together].all()))

    def _read_transfers(self, lines: Places) -> dict[tuple[bytes, bytes], tuple[int, int]]:
        self._prefix(lines, b"transfer ")
        at = self._spaces_in(lines, 8)
        amounts = self._numbers(at[:, 2] + 1, at[:, 3])
        _require(bool((amounts > 0).all()))
        _require(len(lines) < _LINES_MAX)
        counts = self._numbers(at[:, 7] + 1, self._ends[lines])
        _require(bool((counts < 10**10).all()))
        for about in self._coded(at[:, 4] + 1, at[:, 7])[0]:
            _require(_is_about(about))
        sides = np.concatenate((at[:, 0], at[:, 1]))
        accounts, account_codes = self._coded(sides + 1, np.concatenate((at[:, 1], at[:, 2])))
        currencies, currency_codes = self._coded(at[:, 3] + 1, at[:, 4])
        debits, credits_ = account_codes.reshape(2, len(lines)) * len(currencies) + currency_codes
        size = len(accounts) * len(currencies)
        debited, credited = _sums(debits, amounts, size), _sums(credits_, amounts, size)
        sums: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        for number, both in enumerate(zip(debited, credited, strict=True)):
            if both != _NOTHING:
                of_account, of_currency = divmod(number, len(currencies))
                sums[accounts[of_account], currencies[of_currency]] = both
        _require(sums.keys() <= self._held)  # and so in the form of codes and currencies
        return sums

    # Fields.

    def _prefix(self, lines: Places, prefix: bytes) -> None:
        rows = rows_at(self._padded, self._starts[lines], len(prefix))
        _require(bool((rows == np.frombuffer(prefix, dtype=np.uint8)).all()))
        _require(bool((self._lengths[lines] >= len(prefix)).all()))

    def _fixed(self, lines: Places, prefix: bytes, length: int) -> Bytes:
        """What stands behind a prefix in lines of one length."""
        whole = len(prefix) + length
        _require(bool((self._lengths[lines] == whole).all()))
        rows = rows_at(self._padded, self._starts[lines], whole)
        _require(bool((rows[:, : len(prefix)] == np.frombuffer(prefix, dtype=np.uint8)).all()))
        return rows[:, len(prefix) :]

    def _spaces_in(self, lines: Places, count: int) -> Places:
        """The places of the spaces of each line, all of which have so many."""
        _require(bool((self._space_counts[lines] == count).all()))
        places: Places = self._gaps[self._first_gaps[lines][:, None] + np.arange(count)]
        return places

    def _numbers(self, begins: Places, ends: Places) -> Numbers:
        """Decimal numbers without leading zeros, of at most 18 digits."""
        lengths = ends - begins
        _require(bool(((lengths >= 1) & (lengths <= _DIGITS_MAX)).all()))
        _require(not ((self._bytes[begins] == ord("0")) & (lengths > 1)).any())
        numbers = np.zeros(len(begins), dtype=np.uint64)
        for digit in range(int(lengths.max())):
            inside = digit < lengths
            value = self._bytes[np.where(inside, begins + digit, begins)] - np.uint8(ord("0"))
            _require(bool((value <= 9).all()))
            numbers = np.where(inside, numbers * np.uint64(10) + value, numbers)
        return numbers

    def _coded(self, begins: Places, ends: Places) -> Found:
        """The different words that stand at some places, and for each place which of them."""
        lengths = ends - begins
        _require(bool((lengths > 0).all()))
        return coded(self._padded, begins, ends)


def _require(holds: object) -> None:
    if not holds:
        raise Unusual


@lru_cache(maxsize=65_536)
def _is_about(words: bytes) -> bool:
    """Whether words are a campaign's code, a project's and an hour."""
    return _CODES_AND_HOUR.fullmatch(words) is not None


def _sums(codes: Places, amounts: Numbers, size: int) -> list[int]:
    """The sum of the amounts of each code."""
    low = np.bincount(codes, weights=(amounts & _LOW).astype(np.float64), minlength=size)
    high = np.bincount(codes, weights=(amounts >> _HALF).astype(np.float64), minlength=size)
    halves = zip(high.tolist(), low.tolist(), strict=True)
    return [(int(upper) << 32) + int(lower) for upper, lower in halves]


def _ramp(count: int) -> Numbers:
    return np.arange(count, dtype=np.uint64)


def _digits(rows: Bytes, places: Iterable[int]) -> npt.NDArray[np.int64]:
    """The decimal number that stands at some places of each row."""
    number = np.zeros(len(rows), dtype=np.int64)
    for place in places:
        value = rows[:, place] - np.uint8(ord("0"))
        _require(bool((value <= 9).all()))
        number = number * 10 + value
    return number


def _days(rows: Bytes) -> bytes:
    """Checks days of ten characters; returns the latest."""
    _require(bool((rows[:, [4, 7]] == ord("-")).all()))
    _digits(rows, (0, 1, 2, 3, 5, 6, 8, 9))
    days = set(np.unique(np.ascontiguousarray(rows).view("S10")).tolist())
    for day in days:
        _require(is_day(day))
    latest: bytes = max(days)
    return latest


def _times(rows: Bytes) -> npt.NDArray[np.int64]:
    """Checks times of 27 characters; returns numbers in their order."""
    for marks, places in (
        (b"-", [4, 7]),
        (b"T", [10]),
        (b":", [13, 16]),
        (b".", [19]),
        (b"Z", [26]),
    ):
        _require(bool((rows[:, places] == ord(marks)).all()))
    year = _digits(rows, (0, 1, 2, 3))
    month, day = _digits(rows, (5, 6)), _digits(rows, (8, 9))
    hour, minute, second = _digits(rows, (11, 12)), _digits(rows, (14, 15)), _digits(rows, (17, 18))
    micro = _digits(rows, range(20, 26))
    _require(bool(((year >= 2000) & (year <= _YEAR_MAX)).all()))
    _require(bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all()))
    _require(bool(((hour < 24) & (minute < 60) & (second < 60)).all()))
    whole = ((year - 2000) * 12 + month) * 31 + day
    seconds = ((whole * 24 + hour) * 60 + minute) * 60 + second
    numbers: npt.NDArray[np.int64] = seconds * 1_000_000 + micro
    return numbers
