"""PostgreSQL's binary forms of many values, for COPY and as arrays: no Python object for a row.

Source: PostgreSQL's documentation, COPY, "Binary Format"; the types' own forms, those of arrays
among them, are what their `*_send` functions write. A row is an int16 count of fields, then for
each field an int32 length and the value, all in network byte order. Rows whose values vary in
length are laid out as wide as the widest, and what is too wide is masked out.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import pack
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""Signature, flags and the length of the header's extension: none."""

TRAILER = b"\xff\xff"

_LENGTH_BYTES = 4

_POSTGRES_EPOCH_MICROS = 946_684_800_000_000  # 2000-01-01T00:00:00Z


class Column(NamedTuple):
    """One field of every row.

    values: either numbers in network byte order, or bytes as rows of uint8, each as wide as the
    widest. lengths: how many bytes of each row count; None if all do.
    """

    values: NDArray[Any]
    lengths: NDArray[Any] | None = None


def smallint(values: NDArray[Any]) -> Column:
    """int2."""
    return Column(values.astype(">i2"))


def integer(values: NDArray[Any]) -> Column:
    """int4."""
    return Column(values.astype(">i4"))


def bigint(values: NDArray[Any]) -> Column:
    """int8."""
    return Column(values.astype(">i8"))


def timestamptz(micros: NDArray[Any]) -> Column:
    """timestamptz, from microseconds since 1970-01-01T00:00:00Z."""
    return bigint(micros - _POSTGRES_EPOCH_MICROS)


def text(values: NDArray[np.bytes_]) -> Column:
    """text, varchar or char(n), from bytes that hold no NUL and fit the database's encoding."""
    width = values.dtype.itemsize
    lengths = np.strings.str_len(values)
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), width)
    return Column(rows, None if len(values) == 0 or lengths.min() == width else lengths)


def bytea(rows: NDArray[np.uint8], lengths: NDArray[Any]) -> Column:
    """bytea, from rows of which the first `lengths` bytes count."""
    return Column(rows, None if (lengths == rows.shape[1]).all() else lengths)


def constant(value: bytes) -> Column:
    """The same value in its binary form in all rows: a uuid's 16 bytes, say. No table's first."""
    return Column(np.frombuffer(value, dtype=np.uint8).reshape(1, len(value)))


class Table:
    """Rows as COPY takes them. What stands in one of their columns are an array's elements, too."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """columns: at least one, all as long as the first but for constants."""
        kinds = [values.shape[1] if values.ndim == 2 else values.dtype for values, _ in columns]
        layout = _layout(tuple(kinds))
        count, size = len(columns[0].values), layout.row.itemsize
        table = np.empty(count, dtype=layout.row)
        mask: NDArray[np.bool_] | None = None
        table["count"] = len(columns)
        for (values, lengths), (value, length, place, width) in zip(
            columns, layout.fields, strict=True
        ):
            table[value] = values
            table[length] = width if lengths is None else lengths
            if lengths is not None:
                if mask is None:
                    mask = np.ones((count, size), dtype=np.bool_)
                mask[:, place : place + width] = np.arange(width) < lengths[:, None]
        self._bytes = table.view(np.uint8).reshape(count, size)
        self._mask = mask
        self._fields = layout.fields

    def rows(self) -> memoryview:
        """The rows, to stand between HEADER and TRAILER."""
        flat = self._bytes.reshape(-1) if self._mask is None else self._bytes[self._mask]
        return memoryview(flat)  # type: ignore[arg-type]  # it has a buffer

    def array(self, number: int, element: int) -> bytes:
        """A column as an array. element: the oid of its values' type."""
        _, _, place, width = self._fields[number]
        cut = slice(place - _LENGTH_BYTES, place + width)
        elements = self._bytes[:, cut]
        if self._mask is not None:
            elements = elements[self._mask[:, cut]]
        # One dimension, no NULL, counted from 1.
        return pack(">iiiii", 1, 0, element, len(self._bytes), 1) + elements.tobytes()


def rows(columns: Sequence[Column]) -> memoryview:
    """The rows as COPY takes them, to stand between HEADER and TRAILER."""
    return Table(columns).rows()


class _Layout(NamedTuple):
    """row: its type. fields: for each column the names of its value and of its length, which stands
    before it, where the value begins, and how wide it is.
    """

    row: np.dtype[np.void]
    fields: Sequence[tuple[str, str, int, int]]


# Columns of bytes are as wide as the widest value: ids have at most 64 bytes, and most as many.
@lru_cache(maxsize=256)
def _layout(kinds: tuple[np.dtype[Any] | int, ...]) -> _Layout:
    """kinds: for each column the type of its numbers, or how wide its bytes are."""
    types: list[Any] = [("count", ">i2")]
    for number, kind in enumerate(kinds):
        value = ("u1", (kind,)) if isinstance(kind, int) else (kind,)
        types += [(f"length{number}", ">i4"), (f"value{number}", *value)]
    row: np.dtype[np.void] = np.dtype(types)
    placed: Any = row.fields
    fields = []
    for number in range(len(kinds)):
        value_type, place = placed[f"value{number}"][:2]
        fields.append((f"value{number}", f"length{number}", place, value_type.itemsize))
    return _Layout(row, fields)
