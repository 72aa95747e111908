"""One question's running answer: sums that are kept up as entries come, not made anew."""

from collections.abc import Callable, Iterable
from datetime import datetime
from operator import itemgetter
from typing import Any

from services.gateway.domain import Cell, Purpose, Row, TotalState
from services.gateway.query import Dimension, Filter, Query
from services.runtime.errors import Fault, Reason

ROWS_MAX = 15_000
"""Rows of one answer. With the longest codes they stay below the message limit."""

Key = tuple[Any, ...]
"""State, currency, purpose, and the values of the query's dimensions."""

_FIELDS = {name: position for position, name in enumerate(Cell._fields)}
_POSITIONS = {dimension: _FIELDS[dimension.name.lower()] for dimension in Dimension}


class View:
    """The rows that answer one query.

    sequence: the last entry that they count; whoever owns the view sets it.
    """

    def __init__(self, query: Query, sequence: int) -> None:
        self.query = query
        self.sequence = sequence
        self._key: Callable[[Cell], Key] = itemgetter(
            _FIELDS["state"],
            _FIELDS["currency"],
            _FIELDS["purpose"],
            *(_POSITIONS[d] for d in query.group_by),
        )
        self._counts = matcher(query.filter) if query.filter != Filter() else None
        # In the order of their last change, the latest last.
        self._rows: dict[Key, Row] = {}
        self._sorted: tuple[Row, ...] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, changes: Iterable[tuple[Cell, int, int]], sequence: int) -> None:
        """Counts what entries up to sequence changed, which never goes down from one call to the
        next. Raises Fault(FIELD_INVALID) if rows are more than ROWS_MAX: the view is of no use
        then.
        """
        counts, key_of = self._counts, self._key
        sums: dict[Key, tuple[int, int]] = {}
        for cell, micros, gifts in changes:
            if counts is not None and not counts(cell):
                continue
            key = key_of(cell)
            if (sum_ := sums.get(key)) is not None:
                sums[key] = (sum_[0] + micros, sum_[1] + gifts)
            elif len(sums) < ROWS_MAX:
                sums[key] = (micros, gifts)
            else:
                raise _too_many()
        rows = self._rows
        for key, (micros, gifts) in sums.items():
            if (before := rows.pop(key, None)) is not None:
                micros += before.micros
                gifts += before.gifts
            state, currency, purpose, *values = key
            rows[key] = Row(state, currency, purpose, tuple(values), micros, gifts, sequence)
        if len(rows) > ROWS_MAX:
            raise _too_many()
        if sums:
            self._sorted = None

    def rows(self) -> tuple[Row, ...]:
        """All rows by state, currency, purpose and values. What came to nothing is left out."""
        if self._sorted is None:
            self._sorted = _sorted(row for row in self._rows.values() if row.micros or row.gifts)
        return self._sorted

    def changed_since(self, sequence: int) -> tuple[Row, ...]:
        """The rows that entries after sequence changed, in the same order, empty ones included."""
        changed = []
        for row in reversed(self._rows.values()):
            if row.changed_at <= sequence:
                break
            changed.append(row)
        return _sorted(changed)


def matcher(chosen: Filter) -> Callable[[Cell], bool]:
    """Whether a filter counts a cell, as a function that looks only at what the filter names."""
    wanted: list[tuple[int, frozenset[str] | frozenset[TotalState] | frozenset[Purpose]]] = [
        (_FIELDS[field], values)
        for field, values in (
            ("campaign", chosen.campaigns),
            ("project", chosen.projects),
            ("partner", chosen.partners),
            ("state", chosen.states),
            ("currency", chosen.currencies),
            ("purpose", chosen.purposes),
        )
        if values
    ]
    start, end = chosen.start, chosen.end

    def counts(cell: Cell) -> bool:
        for position, values in wanted:
            if cell[position] not in values:
                return False
        return _within(cell.hour, start, end)

    return counts


def _within(hour: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or hour >= start) and (end is None or hour < end)


def _sorted(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=itemgetter(0, 1, 2, 3)))


def _too_many() -> Fault:
    return Fault(
        Reason.FIELD_INVALID,
        f"the answer has more than {ROWS_MAX:,} rows; tell fewer dimensions apart, or narrow the "
        "filter",
        field="group_by",
    )
