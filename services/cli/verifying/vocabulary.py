"""The different words that stand in one place of many lines, kept from one stretch to the next.

By hashing in columns: a word's hash says where in a table its number may stand, and the word of
that number is compared in full: likeness is never trusted to a hash. New words, and the few of
which another has the place, are looked up one by one.
"""

from collections.abc import Callable

import numpy as np

from services.cli.verifying.words import Numbers, Places, columns_at, hashes_of

_TABLE_BITS = 18
_SLOTS_A_WORD = 32
_AT_ONCE = 64


class Vocabulary:
    """Words and their numbers, from 1. It is the caller's to throw it away when it gets large."""

    def __init__(self, require: Callable[[bytes], None], *, table_bits: int = _TABLE_BITS) -> None:
        """require: called with each word that is new; raises what `numbers` is to raise."""
        self._require = require
        self.words: list[bytes] = [b""]
        """By number. No word has number 0."""
        self._numbers: dict[bytes, int] = {}
        self._lengths: Places = np.zeros(1, dtype=np.intp)
        self._hashes: Numbers = np.zeros(1, dtype=np.uint64)
        self._columns: list[Numbers] = []
        self._make_table(table_bits)

    def numbers(self, padded: bytes | bytearray, begins: Places, ends: Places) -> Places:
        """The number of the word at each place.

        padded: the text and PAD bytes. Raises ValueError for a word that is empty, or longer than
        those allow.
        """
        lengths = ends - begins
        columns = columns_at(padded, begins, lengths)
        hashes = hashes_of(columns)
        numbers = self._likely(lengths, columns, hashes)
        apart = np.flatnonzero(numbers == 0)
        at_once = _AT_ONCE
        while len(apart):
            some, apart = apart[:at_once], apart[at_once:]
            text = memoryview(padded)
            bounds = zip(begins[some].tolist(), ends[some].tolist(), strict=True)
            words = [text[begin:end].tobytes() for begin, end in bounds]
            self._learn(words, some, lengths, columns, hashes)
            numbers[some] = [self._numbers[word] for word in words]
            if len(apart):
                # Most of the rest are likely to be among those.
                few = [column[apart] for column in columns]
                numbers[apart] = self._likely(lengths[apart], few, hashes[apart])
                apart = apart[numbers[apart] == 0]
                at_once *= 4
        return numbers

    def _likely(self, lengths: Places, columns: list[Numbers], hashes: Numbers) -> Places:
        """The words' numbers; 0 for those that do not have their place in the table."""
        numbers: Places = self._table[(hashes >> self._shift).view(np.intp)]
        same = lengths == self._lengths[numbers]
        # Words of the same length end in the same column.
        for column, known in zip(columns, self._columns, strict=False):
            same &= column == known[numbers]
        numbers *= same
        return numbers

    def _learn(
        self,
        words: list[bytes],
        places: Places,
        lengths: Places,
        columns: list[Numbers],
        hashes: Numbers,
    ) -> None:
        """Takes in those words that are new. places: theirs among the lengths and so on."""
        new = {word: at for at, word in enumerate(words) if word not in self._numbers}
        for word in new:
            self._require(word)
        begin, count = len(self.words), len(new)
        at = places[list(new.values())]
        self._numbers.update(zip(new, range(begin, begin + count), strict=True))
        self.words += new
        while len(self._columns) < len(columns):
            self._columns.append(np.zeros(begin, dtype=np.uint64))
        for number, known in enumerate(self._columns):
            more = columns[number][at] if number < len(columns) else np.zeros(count, np.uint64)
            self._columns[number] = np.concatenate((known, more))
        self._lengths = np.concatenate((self._lengths, lengths[at]))
        self._hashes = np.concatenate((self._hashes, hashes[at]))
        if len(self.words) * _SLOTS_A_WORD > len(self._table):
            self._make_table(self._bits + 1)
        else:
            slots = self._hashes[begin:] >> self._shift
            self._table[slots.view(np.intp)] = np.arange(begin, begin + count)

    def _make_table(self, bits: int) -> None:
        self._bits = bits
        self._shift = np.uint64(64 - bits)
        self._table: Places = np.zeros(1 << bits, dtype=np.intp)
        slots = self._hashes[1:] >> self._shift
        self._table[slots.view(np.intp)] = np.arange(1, len(self._hashes))
