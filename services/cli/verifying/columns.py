"""The quick way through a stretch of entries: all of them at once, in columns of numpy.

It takes only what is in the plainest form, which nearly everything is: version 2, ASCII, plain
transfers of this century. Of anything else, and of anything that is not as it should be, it says
nothing but that, and the stretch is read entry by entry (segment.py). So it never finds a fault,
and never hides one.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np

from services.cli.verifying.forms import (
    DAY,
    TIME,
    UUID,
    are_hexadecimal,
    changes,
    different,
    form,
    numbers_at,
)
from services.cli.verifying.lines import Spaces, line_ends
from services.cli.verifying.moved import LINES_MAX, Moved, sum_by
from services.cli.verifying.room import FRONT, PAD
from services.cli.verifying.text import is_day
from services.cli.verifying.vocabulary import Vocabulary
from services.cli.verifying.words import Bytes, Numbers, Places, rows_at, words_at

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
_HASH = form(b"hash ")
_HASH_LENGTH = 69

# By the eight letters that these lines begin with.
_METADATA, _TRANSFER = (
    np.uint64(int.from_bytes(word, "little")) for word in (b"metadata", b"transfer")
)
_WORD_LENGTH = 8

_DAY_AND_HOUR = rb"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3])"
_HOUR = re.compile(_DAY_AND_HOUR)

_KEPT_BYTES = 31 << 20
_SEEN_MAX = 262_144


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


Held = Mapping[tuple[bytes, bytes], int]
"""Accounts' indices, by code and currency."""


class Reader:
    """Reads stretches, and remembers what words it saw."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._seen = _Seen(held)

    def read(self, room: bytearray) -> Columns:
        """Reads a stretch of whole entries; hashes are the caller's business. Raises Unusual.

        room: the stretch in its room.
        """
        if b"\\" in room or b"\x7f" in room:
            raise Unusual
        _keep_memory()
        if self._seen.are_many():
            self._seen = _Seen(self._held)
        try:
            return _Reading(room, self._seen).run()
        except (IndexError, ValueError, KeyError) as error:
            # A form with fewer lines or fields, or an account that there is not.
            raise Unusual from error


class _Seen:
    """The words of each kind that were seen, all of which are in their form."""

    def __init__(self, held: Held) -> None:
        self.kinds = Vocabulary(_held_to(rb"[A-Z_]{1,64}"))
        self.keys = Vocabulary(_held_to(rb"[a-z0-9._/-]{1,64}"))
        self.codes = Vocabulary(_held_to(rb"(?:[a-z0-9._-]{1,64}|~) (?:[a-z0-9._-]{1,64}|~)"))
        # With the space behind them, as their lengths are taken for granted.
        self.currencies = Vocabulary(_held_to(rb"[A-Z]{3} "))
        self.hours = Vocabulary(_held_to(rb"(?:%b:00:00\.000000Z|~) " % _DAY_AND_HOUR))
        # Which of them there are is asked with their currency.
        self.accounts = Vocabulary(_held_to(rb"[!-~]+"))
        self.indices = _Indices(self.accounts.words, self.currencies.words, held)

    def are_many(self) -> bool:
        """Whether they are so many that it is better to begin anew."""
        kinds = (self.kinds, self.keys, self.codes, self.hours)
        pairs = len(self.accounts.words) * len(self.currencies.words)
        return max(pairs, *(len(kind.words) for kind in kinds)) > _SEEN_MAX


class _Indices:
    """Accounts' indices by the numbers of their codes and currencies."""

    def __init__(self, codes: list[bytes], currencies: list[bytes], held: Held) -> None:
        self._codes, self._currencies, self._held = codes, currencies, held
        self._found: Places = np.empty((0, 0), dtype=np.intp)

    def of(self, codes: Places, currencies: Places) -> Places:
        """Raises KeyError for an account that there is not."""
        rows, columns = self._found.shape
        if (rows, columns) != (len(self._codes), len(self._currencies)):
            found = np.full((len(self._codes), len(self._currencies)), -1, dtype=np.intp)
            found[:rows, :columns] = self._found
            self._found = found
        indices: Places = self._found[codes, currencies]
        unknown = np.flatnonzero(indices < 0)
        if len(unknown):
            numbers = zip(codes[unknown].tolist(), currencies[unknown].tolist(), strict=True)
            indices[unknown] = [
                self._held[self._codes[code], self._currencies[currency][:-1]]
                for code, currency in numbers
            ]
            self._found[codes[unknown], currencies[unknown]] = indices[unknown]
        return indices


class _Reading:
    def __init__(self, room: bytearray, seen: _Seen) -> None:
        self._room = room
        self._seen = seen
        self._bytes: Bytes = np.frombuffer(room, dtype=np.uint8)
        self._ends, self._last = _required(line_ends(room))
        self._starts: Places = np.concatenate(([FRONT], self._ends[:-1] + 1))
        self._spaces = Spaces(self._bytes)

    def run(self) -> Columns:
        starts, ends = self._starts, self._ends
        _require(ends[-1] + 2 == len(self._room) - PAD)
        last = self._last  # of each entry
        _require(last[-1] == len(ends) - 1)
        first = np.concatenate(([0], last[:-1] + 1))
        starts[first[1:]] += 1
        _require(bool((last - first >= _FIXED).all()))
        sequences, times, last_day = self._read_heads(first)
        _require(_HASH.at(self._room, starts[last]) is not None)
        _require(bool((ends[last] - starts[last] == _HASH_LENGTH).all()))
        body = _between(first + _FIXED, last)
        words = words_at(self._room, starts[body])
        metadata, transfers = body[words == _METADATA], body[words == _TRANSFER]
        _require(len(metadata) + len(transfers) == len(body))
        # Metadata stand before transfers.
        before = (words[1:] == _METADATA) & (words[:-1] == _TRANSFER)
        _require(not (before & (body[1:] == body[:-1] + 1)).any())
        if len(metadata):
            self._require_metadata(metadata)
        return Columns(
            starts[first] - FRONT,
            starts[last] - FRONT,
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
        sequences = self._numbers(begins + _BEGIN.width, number_ends)
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
        begins = self._starts[lines] + len(b"cause ")  # of a line in its form so far, _MIDDLE
        space, end = self._spaces.behind(begins), self._ends[lines]
        self._seen.kinds.numbers(self._room, begins, space)
        lengths = end - space - 1
        _require(bool(((lengths >= 1) & (lengths <= 128)).all()))
        _require(bool((self._spaces.behind(space + 1) > end).all()))

    # Metadata and transfers.

    def _begins_of(self, lines: Places) -> Places:
        """Where the second words begin of lines whose first has eight letters."""
        spaces = self._starts[lines] + _WORD_LENGTH
        _require(bool((self._bytes[spaces] == ord(" ")).all()))
        spaces += 1
        return spaces

    def _require_metadata(self, lines: Places) -> None:
        begins = self._begins_of(lines)
        space = self._spaces.behind(begins)
        closing = self._ends[lines] - 1
        _require(bool((space + 1 < closing).all()))
        # Two quotes of each line stand where they must, and there are no others.
        quote = np.uint8(ord('"'))
        _require(bool((self._bytes[space + 1] == quote).all()))
        _require(bool((self._bytes[closing] == quote).all()))
        _require(np.count_nonzero(self._bytes == quote) == 2 * len(lines))
        keys = self._seen.keys.numbers(self._room, begins, space)
        words = np.array(self._seen.keys.words, dtype=object)
        ranks = np.argsort(np.argsort(words))[keys]
        together = lines[1:] == lines[:-1] + 1
        _require(bool((ranks[1:] > ranks[:-1])[together].all()))

    def _read_transfers(self, lines: Places) -> Moved:
        if not len(lines):
            return Moved(lines, np.empty((0, 4), dtype=np.int64))
        _require(len(lines) < LINES_MAX)
        room, seen, behind = self._room, self._seen, self._spaces.behind
        begins = self._begins_of(lines)
        # What ends each word. A line's end within one is found when the word is looked at.
        debit = behind(begins)
        credit = behind(debit + 1)
        amount = behind(credit + 1)
        currency = amount + len(b" CNY")
        project = behind(behind(currency + 1) + 1)
        no_hour = self._bytes[project + 1] == ord("~")
        hour = project + np.where(no_hour, len(b" ~"), 1 + len(TIME[0]))
        amounts = self._numbers(credit + 1, amount)
        _require(bool((amounts > 0).all()))
        _require(bool((self._numbers(hour + 1, self._ends[lines]) < 10**10).all()))
        seen.codes.numbers(room, currency + 1, project)
        hours = changes(rows_at(room, project + 1, len(TIME[0]) + 1))
        seen.hours.numbers(room, project[hours] + 1, hour[hours] + 1)
        rows = rows_at(room, amount + 1, len(b"CNY "))
        runs = changes(rows)
        currencies = np.repeat(
            seen.currencies.numbers(room, amount[runs] + 1, currency[runs] + 1),
            np.diff(runs, append=len(lines)),
        )
        debits = seen.accounts.numbers(room, begins, debit)
        credits_ = seen.accounts.numbers(room, debit + 1, credit)
        units = len(seen.currencies.words)
        size = len(seen.accounts.words) * units
        halves = np.hstack(
            [sum_by(codes * units + currencies, amounts, size) for codes in (debits, credits_)]
        )
        moved = np.flatnonzero(halves.any(axis=1))
        codes, currencies = np.divmod(moved, units)
        # Whoever is held is in the form of codes and currencies.
        return Moved(seen.indices.of(codes, currencies), halves[moved])

    def _numbers(self, begins: Places, ends: Places) -> Numbers:
        return _required(numbers_at(self._room, begins, ends))


Value = TypeVar("Value")


def _require(holds: object) -> None:
    if not holds:
        raise Unusual


def _required(value: Value | None) -> Value:
    if value is None:
        raise Unusual
    return value


def _held_to(pattern: bytes) -> Callable[[bytes], None]:
    """Holds words to a form. Raises Unusual."""
    matched = re.compile(pattern).fullmatch

    def hold(word: bytes) -> None:
        _require(matched(word))

    return hold


def _require_hours(times: Bytes) -> None:
    """Of times in their form, that days and hours are none that there never are."""
    for words in different(times[:, :13]):
        _require(_HOUR.fullmatch(words))


@cache
def _keep_memory() -> None:
    """Takes a large block and gives it back untouched, once in a process.

    After one so large glibc keeps the memory of all that are smaller for the next columns. To get
    it anew from the system takes a fifth of the reading.
    """
    bytes(_KEPT_BYTES)


def _between(begins: Places, ends: Places) -> Places:
    """All from each begin up to, and without, its end."""
    counts = ends - begins
    before = np.cumsum(counts) - counts
    return np.repeat(begins - before, counts) + np.arange(counts.sum())


def _ramp(count: int) -> Numbers:
    return np.arange(count, dtype=np.uint64)
