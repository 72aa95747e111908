"""A list with named columns, before anything is decided about how it looks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Amount(NamedTuple):
    """An exact amount. unit: a currency's code, or MIN."""

    micros: int
    unit: str


Value = str | int | Amount | None
"""Text; a whole number; an amount in a column of amounts; None for an empty cell. A time is text as
`render.rfc3339` has it, in a column of times."""


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    AMOUNT = "amount"
    TIME = "time"


class Column(NamedTuple):
    """One column. name: as in JSON, with underscores.

    is_detail: whether it is left out on the screen, where width is short.
    """

    name: str
    kind: Kind = Kind.TEXT
    is_detail: bool = False

    @property
    def title(self) -> str:
        """As people read it."""
        return self.name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A list. rows: gone through once; each as wide as columns. facts: about the whole of it."""

    name: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Value]]
    facts: Mapping[str, Value] = field(default_factory=dict)


def named(columns: Sequence[Column], row: Sequence[Value]) -> dict[str, Value]:
    """The values of a row by their columns' names."""
    return dict(zip((column.name for column in columns), row, strict=True))


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula: with an apostrophe where it might be one."""
    return f"'{text}" if text.startswith(_FORMULA) else text


# Some spreadsheets take the signs of full width for the others.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
