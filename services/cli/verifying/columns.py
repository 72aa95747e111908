"""The quick way through a stretch of entries: all of them at once, in columns of numpy.

It takes only what is in the plainest form, which nearly everything is: version 2, ASCII, plain
transfers of this century. Of anything else, and of anything that is not as it should be, it says
nothing but that, and the stretch is read entry by entry (segment.py). So it never finds a fault,
and never hides one.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np

from services.cli.verifying.forms import (
    DAY,
    HOUR,
    TIME,
    UUID,
    are_hexadecimal,
    different,
    form,
    numbers_at,
)
from services.cli.verifying.moved import LINES_MAX, Moved, sum_by
from services.cli.verifying.text import is_day
from services.cli.verifying.words import PAD, Bytes, Found, Numbers, Places, coded

FRONT = 32
"""How many bytes must stand before the text: room for the hash before the first entry."""

_FIXED = 8
"""The lines of an entry before its metadata."""

_BEGIN = form(b"watersmeet entry 2\nsequence ")
_MIDDLE = form(
    *(b"\nrecorded_time ", TIME, b"\nvalue_date ", DAY, b"\nbook_date ", DAY),
    *(b"\nentry_id ", UUID, b"\ncause "),
)
_RECORDED = slice(15, 42)
_VALUE_DATE = slice(54, 64)
_BOOK_DATE = slice(75, 85)
_ENTRY_ID = slice(95, 131)
_VALUE_TIME = form(b"\nvalue_time ", TIME, b"\n")
_METADATA = form(b"metadata ")
_TRANSFER = form(b"transfer ")
_HOUR = form(b" ", HOUR, b" ")
_HASH = form(b"hash ")
_HASH_LENGTH = 69

_WORDS = 9
"""How many words a transfer's line has."""

_KIND = re.compile(rb"[A-Z_]{1,64}")
_KEY = re.compile(rb"[a-z0-9._/-]{1,64}")
_CODES = re.compile(rb"(?:[a-z0-9._-]{1,64}|~) (?:[a-z0-9._-]{1,64}|~)")
_DAY_AND_HOUR = re.compile(rb"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3])")

_KEPT_BYTES = 31 << 20


class Unusual(Exception):
    """Something is not in the plainest form, or is wrong."""


class Columns(NamedTuple):
    """What a stretch says. begins, ends: of each entry's text, as places of the stretch."""

    begins: Places
    ends: Places
    first: int
    transfers: int
    first_time: bytes
    last_time: bytes
    last_day: bytes
    moved: Moved


def room_for(length: int) -> bytearray:
    """Room for a stretch: so many bytes, FRONT before them and PAD behind."""
    return bytearray(FRONT + length + PAD)


def read_columns(room: bytearray, held: Mapping[tuple[bytes, bytes], int]) -> Columns:
    """Reads a stretch of whole entries; hashes are the caller's business. Raises Unusual.

    room: the stretch in its room. held: the accounts' indices, by code and currency.
    """
    if not room.isascii() or b"\\" in room or b"\x7f" in room:
        raise Unusual
    _keep_memory()
    try:
        return _Reading(room, held).run()
    except (IndexError, ValueError, KeyError) as error:
        # A form with fewer lines or fields, or an account that there is not.
        raise Unusual from error


class _Reading:
    def __init__(self, room: bytearray, held: Mapping[tuple[bytes, bytes], int]) -> None:
        self._room = room
        self._held = held
        self._bytes: Bytes = np.frombuffer(room, dtype=np.uint8)
        self._gaps: Places = np.flatnonzero(self._bytes[FRONT:-PAD] <= ord(" "))
        self._gaps += FRONT
        kinds = self._bytes[self._gaps]
        self._line_gaps: Places = np.flatnonzero(kinds == ord("\n"))
        _require(len(self._line_gaps) + np.count_nonzero(kinds == ord(" ")) == len(kinds))
        self._ends: Places = self._gaps[self._line_gaps]
        self._starts: Places = np.concatenate(([FRONT], self._ends[:-1] + 1))

    def run(self) -> Columns:
        starts, ends = self._starts, self._ends
        _require(ends[-1] == len(self._room) - PAD - 1)
        blank = np.flatnonzero(starts == ends)
        first = np.concatenate(([0], blank[:-1] + 1))
        _require(blank[-1] == len(ends) - 1 and bool((blank - first > _FIXED).all()))
        sequences, times, last_day = self._read_heads(first)
        _require(_HASH.at(self._room, starts[blank - 1]) is not None)
        _require(bool((ends[blank - 1] - starts[blank - 1] == _HASH_LENGTH).all()))
        # The lines of a head are what they are, and do not begin like these.
        letters = self._bytes[starts]
        metadata = np.flatnonzero(letters == ord("m"))
        transfers = np.flatnonzero(letters == ord("t"))
        _require(len(first) * (_FIXED + 2) + len(metadata) + len(transfers) == len(letters))
        # No line of metadata stands behind one of a transfer: they would follow each other.
        _require(not (letters[metadata - 1] == ord("t")).any())
        if len(metadata):
            self._require_metadata(metadata)
        return Columns(
            starts[first] - FRONT,
            starts[blank - 1] - FRONT,
            int(sequences[0]),
            len(transfers),
            times[0].tobytes(),
            times[-1].tobytes(),
            last_day,
            self._read_transfers(transfers),
        )

    # Lines before the metadata.

    def _read_heads(self, first: Places) -> tuple[Numbers, Bytes, bytes]:
        """Numbers, recorded times, and the latest day, of entries with these first lines."""
        begins, room = self._starts[first], self._room
        _require(_BEGIN.at(room, begins) is not None)
        number_ends = self._ends[first + 1]
        sequences = self._numbers(begins + len(_BEGIN.low), number_ends)
        _require(sequences[0] > 0 and bool((sequences - sequences[0] == _ramp(len(first))).all()))
        middle = _required(_MIDDLE.at(room, number_ends))
        recorded = np.ascontiguousarray(middle[:, _RECORDED])
        keys = recorded.view(f"S{recorded.shape[1]}")[:, 0]
        _require(bool((keys[1:] >= keys[:-1]).all()))
        days = different(middle[:, _VALUE_DATE])
        for day in days | different(middle[:, _BOOK_DATE]):
            _require(is_day(day))
        _require(are_hexadecimal(middle[:, _ENTRY_ID]))
        self._require_causes(first + _FIXED - 2)
        given = _required(_VALUE_TIME.at(room, self._ends[first + _FIXED - 2]))
        _require_hours(recorded)
        _require_hours(given[:, 12:])
        return sequences, recorded, max(days)

    def _require_causes(self, lines: Places) -> None:
        begins = self._starts[lines]  # of a line in its form so far, _MIDDLE
        space, space_too, end = self._words_of(lines, 3)
        for kind in self._coded(space + 1, space_too)[0]:
            _require(_KIND.fullmatch(kind))
        _require(bool((space - begins == len(b"cause")).all()))
        lengths = end - space_too - 1
        _require(bool(((lengths >= 1) & (lengths <= 128)).all()))

    # Metadata and transfers.

    def _require_metadata(self, lines: Places) -> None:
        begins = self._starts[lines] + len(_METADATA.low)
        _require(_METADATA.at(self._room, self._starts[lines]) is not None)
        second = self._gaps[self._line_gaps[lines - 1] + 2]
        closing = self._ends[lines] - 1
        _require(bool((second + 1 < closing).all()))
        # Two quotes of each line stand where they must, and there are no others.
        quote = np.uint8(ord('"'))
        _require(bool((self._bytes[second + 1] == quote).all()))
        _require(bool((self._bytes[closing] == quote).all()))
        _require(np.count_nonzero(self._bytes == quote) == 2 * len(lines))
        words, codes = self._coded(begins, second)
        for key in words:
            _require(_KEY.fullmatch(key))
        ranks = np.argsort(np.argsort(np.array(words, dtype=object)))[codes]
        together = lines[1:] == lines[:-1] + 1
        _require(bool((ranks[1:] > ranks[:-1])[together].all()))

    def _read_transfers(self, lines: Places) -> Moved:
        if not len(lines):
            return Moved(lines, np.empty((0, 4), dtype=np.int64))
        _require(len(lines) < LINES_MAX)
        _require(_TRANSFER.at(self._room, self._starts[lines]) is not None)
        # What ends each of its words.
        _, debit, credit, amount, currency, _, project, hour, count = self._words_of(lines, _WORDS)
        amounts = self._numbers(credit + 1, amount)
        _require(bool((amounts > 0).all()))
        _require(bool((self._numbers(hour + 1, count) < 10**10).all()))
        _require_codes(self._coded(currency + 1, project)[0])
        self._require_hour_column(project, hour)
        begins = self._starts[lines] + len(_TRANSFER.low)
        sides = np.concatenate((begins, debit + 1)), np.concatenate((debit, credit))
        accounts, account_codes = self._coded(*sides)
        currencies, currency_codes = self._coded(amount + 1, currency)
        debits, credits_ = account_codes.reshape(2, len(lines)) * len(currencies) + currency_codes
        size = len(accounts) * len(currencies)
        halves = np.hstack([sum_by(debits, amounts, size), sum_by(credits_, amounts, size)])
        moved = np.flatnonzero(halves.any(axis=1))
        words, units = np.divmod(moved, len(currencies))
        names = zip(
            map(accounts.__getitem__, words.tolist()),
            map(currencies.__getitem__, units.tolist()),
            strict=True,
        )
        # Whoever is held is in the form of codes and currencies.
        indices = list(map(self._held.__getitem__, names))
        return Moved(np.array(indices, dtype=np.intp), halves[moved])

    def _require_hour_column(self, before: Places, behind: Places) -> None:
        none = behind - before == len(b"~") + 1
        if none.any():
            _require(bool((self._bytes[before[none] + 1] == ord("~")).all()))
            before, behind = before[~none], behind[~none]
        if len(before):
            _require(bool((behind - before == len(_HOUR.low) - 1).all()))
            _require_hours(_required(_HOUR.at(self._room, before))[:, 1:])

    # Fields.

    def _words_of(self, lines: Places, count: int) -> list[Places]:
        """What ends the words of each line, all of which have so many."""
        before = self._line_gaps[lines - 1]
        _require(bool((self._line_gaps[lines] - before == count).all()))
        # As rows of so many places, copied as wholes.
        size = self._gaps.itemsize
        shape = len(self._gaps) - count + 1
        every = np.ndarray(shape, f"V{count * size}", self._gaps, strides=(size,))
        rows = every[before + 1].view(np.intp).reshape(len(lines), count)
        return list(np.ascontiguousarray(rows.T))

    def _numbers(self, begins: Places, ends: Places) -> Numbers:
        return _required(numbers_at(self._room, begins, ends))

    def _coded(self, begins: Places, ends: Places) -> Found:
        """The different words that stand at some places, and for each place which of them."""
        _require(bool((ends > begins).all()))
        return coded(self._room, begins, ends)


Value = TypeVar("Value")


def _require(holds: object) -> None:
    if not holds:
        raise Unusual


def _required(value: Value | None) -> Value:
    if value is None:
        raise Unusual
    return value


def _require_hours(times: Bytes) -> None:
    """Of times in their form, that days and hours are none that there never are."""
    for words in different(times[:, :13]):
        _require(_DAY_AND_HOUR.fullmatch(words))


_SEEN_MAX = 65_536
_seen_codes: set[bytes] = set()


def _require_codes(words: list[bytes]) -> None:
    """Of words of a campaign's code and a project's, that they are codes: most were seen before."""
    if len(_seen_codes) > _SEEN_MAX:
        _seen_codes.clear()
    unseen = set(words) - _seen_codes
    for codes in unseen:
        _require(_CODES.fullmatch(codes))
    _seen_codes.update(unseen)


@cache
def _keep_memory() -> None:
    """Takes a large block and gives it back untouched, once in a process.

    After one so large glibc keeps the memory of all that are smaller for the next columns. To get
    it anew from the system takes a fifth of the reading.
    """
    bytes(_KEPT_BYTES)


def _ramp(count: int) -> Numbers:
    return np.arange(count, dtype=np.uint64)
