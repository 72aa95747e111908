"""The gateway's nouns. Plain Python.

Money is an int of micros (millionths of a currency's unit) beside an ISO 4217 code. Times are aware
and in UTC.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple


class FeedBroken(Exception):
    """What the ledger sent does not follow from what it sent before, contradicts itself, or says
    what this release does not understand. To go on counting would be wrong: load everything again.
    """


class TotalState(IntEnum):
    """Where gifts' money is; numbered as in the proto. No two are ever added up."""

    CLAIMED = 1
    SETTLED = 2
    RECEIVED = 3
    SPENT = 4
    REFUNDED = 5
    DISPUTED = 6
    SUSPENSE = 7

    __hash__ = int.__hash__  # an enum's own is a call of Python's, twice a cell


class Purpose(IntEnum):
    """Whether money was given to charity or to personal appeals; numbered as in the proto.

    UNATTRIBUTED: it stands in suspense, so neither is known. No two are ever added up.
    """

    CHARITY = 1
    APPEAL = 2
    UNATTRIBUTED = 3

    __hash__ = int.__hash__


class Cell(NamedTuple):
    """What one number of the totals is about: the finest that the ledger tells apart."""

    campaign: str
    project: str
    partner: str
    hour: datetime
    state: TotalState
    currency: str
    purpose: Purpose


class Amount(NamedTuple):
    """What stands in a cell, or what to add to it.

    gifts: how many came into the state; in REFUNDED how many refunds.
    """

    cell: Cell
    micros: int
    gifts: int


class AsOf(NamedTuple):
    """Up to where totals are known.

    sequence: the last ledger entry that they count; 0 while there is none.
    time: when that entry was written; None while there is none.
    watermarks: for each partner that has said so, the time before which all its gifts are counted.
    hash: that entry's; empty of a ledger that does not say it.
    """

    sequence: int
    time: datetime | None
    watermarks: Mapping[str, datetime]
    hash: bytes = b""


class Snapshot(NamedTuple):
    """All totals at one sequence. No cell comes twice."""

    as_of: AsOf
    cells: Sequence[Amount]


class Changes:
    """What to add to cells, in columns: an object of each costs more than to add it up."""

    __slots__ = ("_cells", "_gifts", "_micros")

    def __init__(self, amounts: Iterable[Amount] = ()) -> None:
        self._cells: list[Cell] = []
        self._micros: list[int] = []
        self._gifts: list[int] = []
        for cell, micros, gifts in amounts:
            self._cells.append(cell)
            self._micros.append(micros)
            self._gifts.append(gifts)

    def __len__(self) -> int:
        return len(self._cells)

    def __iter__(self) -> Iterator[tuple[Cell, int, int]]:
        """What an `Amount` has, of each cell."""
        return zip(self._cells, self._micros, self._gifts, strict=True)

    def add(self, cells: Iterable[Cell], micros: Iterable[int], gifts: Iterable[int]) -> None:
        """Adds some more. Raises ValueError if there are not as many of each."""
        self._cells += cells
        self._micros += micros
        self._gifts += gifts
        if not len(self._cells) == len(self._micros) == len(self._gifts):
            raise ValueError("columns of changes have different lengths")


class Posting(NamedTuple):
    """What ledger entries that follow one another change.

    after: the entry before the first of them. sequence, time: the last of them, and when it was
    written. watermarks: those that they state, by partner.
    previous_hash, hash: of the entry before the first of them, and of the last.
    """

    after: int
    sequence: int
    time: datetime
    changes: Changes
    watermarks: Mapping[str, datetime]
    previous_hash: bytes = b""
    hash: bytes = b""


class Row(NamedTuple):
    """The sum of one state, currency and purpose within the dimensions that a query tells apart.

    values: one for each dimension of the query's group_by, in its order.
    changed_at: the last sequence that changed the sum.
    """

    state: TotalState
    currency: str
    purpose: Purpose
    values: tuple[str | datetime, ...]
    micros: int
    gifts: int
    changed_at: int
