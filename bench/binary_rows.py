"""Rows as PostgreSQL's binary COPY reads them, made of columns: all of one width, all at once.

https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

EPOCH_MICROS = 946_684_800_000_000
"""From 1970 to what PostgreSQL's times count from."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

Column = tuple[str, Any]
"""numpy's type, big-endian, and the values, or one for all rows; ("", None) is NULL in each."""


def binary_rows(count: int, *records: Mapping[str, Column]) -> bytes:
    """So many of each record, in turns: without HEADER and TRAILER. Columns are as in COPY."""
    layout: list[tuple[str, str]] = []
    for number, columns in enumerate(records):
        layout.append((f"{number} fields", ">i2"))
        for name, (kind, _) in columns.items():
            layout.append((f"{number} {name} length", ">i4"))
            if kind:
                layout.append((f"{number} {name}", kind))
    table = np.zeros(count, dtype=layout)
    for number, columns in enumerate(records):
        table[f"{number} fields"] = len(columns)
        for name, (kind, values) in columns.items():
            table[f"{number} {name} length"] = np.dtype(kind).itemsize if kind else -1
            if kind:
                table[f"{number} {name}"] = values
    return table.tobytes()


def timestamp(time: datetime) -> int:
    """A time as PostgreSQL's binary form has it."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def day_number(day: date) -> int:
    """A date as PostgreSQL's binary form has it."""
    return (day - _EPOCH.date()).days
