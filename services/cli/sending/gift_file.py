"""Reading a file of gifts, row by row, in bounded memory. docs/send.md documents the form."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from watersmeet.client import Gift

from services.cli.given_time import given_time

COLUMNS = ("external_id", "project", "campaign", "amount", "currency", "time", "donor_reference")
_OPTIONAL_COLUMNS = frozenset({"campaign", "donor_reference"})
_AMOUNT = re.compile(r"([+-]?)0*([0-9]+)(?:\.([0-9]{1,6})0*)?")
# More digits than this do not fit into 64 bits of micros; no gift comes near it.
_UNIT_DIGITS_MAX = 12
_CURRENCY = re.compile(r"[A-Z]{3}")
_INVALID, _REQUIRED, _TOO_LARGE = "FIELD_INVALID", "FIELD_REQUIRED", "AMOUNT_OVER_LIMIT"


class UnusableFileError(Exception):
    """The file as a whole cannot be sent; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class GiftRow:
    """A well-formed row.

    line: where in the file the row begins, 1 is the header. cells: the row as it was read.
    """

    line: int
    cells: Sequence[str] = field(repr=False)
    gift: Gift


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row that cannot be sent. reason: a name of `errors.v1.ErrorReason`, without its prefix."""

    line: int
    cells: Sequence[str] = field(repr=False)
    reason: str
    message: str


class _RowError(Exception):
    """What is wrong with one cell."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class GiftFile:
    """A file of gifts that is open for reading. A context manager."""

    def __init__(self, path: Path) -> None:
        """Opens the file and reads its header. Raises UnusableFileError."""
        self.size_bytes, self._raw = _open(path)
        # Bytes that are no UTF-8 spoil their own row only.
        text = io.TextIOWrapper(
            self._raw, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        self._text = text
        self._reader = csv.reader(text, strict=True)
        try:
            self.header, self._places = _read_header(self._reader)
        except UnusableFileError:
            text.close()
            raise

    def __enter__(self) -> "GiftFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    def position_bytes(self) -> int:
        """About how far the file is read."""
        return self._raw.tell()

    def rows(self) -> Iterator[GiftRow | MalformedRow]:
        """The rows in the file's order; blank lines are left out."""
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield MalformedRow(line, (), _INVALID, f"this is no row of a CSV file: {error}")
                continue
            if any(cells):
                yield self._row(line, cells)

    def _row(self, line: int, cells: Sequence[str]) -> GiftRow | MalformedRow:
        try:
            if len(cells) != len(self.header):
                message = f"{len(cells)} cells under {len(self.header)} column names"
                raise _RowError(_INVALID, message)
            named = {name: cells[place].strip() for name, place in self._places.items()}
            gift = Gift(
                external_id=_text(named, "external_id", required=True),
                project=_text(named, "project"),
                campaign=_text(named, "campaign"),
                amount_micros=_amount(named),
                currency=_currency(named),
                event_time=_time(named),
                donor_reference=_text(named, "donor_reference"),
            )
            return GiftRow(line, cells, gift)
        except _RowError as error:
            return MalformedRow(line, cells, error.reason, str(error))


def _open(path: Path) -> tuple[int, BinaryIO]:
    try:
        return path.stat().st_size, path.open("rb")
    except OSError as error:
        raise UnusableFileError(f"{path} cannot be read: {error.strerror}") from error


def _read_header(reader: Iterator[list[str]]) -> tuple[Sequence[str], dict[str, int]]:
    """The header's cells, and the place of each known column."""
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise UnusableFileError(f"the first line is no header of a CSV file: {error}") from error
    names = [cell.strip().lower() for cell in header]
    if missing := [c for c in COLUMNS if c not in names and c not in _OPTIONAL_COLUMNS]:
        raise UnusableFileError(
            f"the first line names no column {', '.join(missing)}; "
            f"it must name {', '.join(COLUMNS)} in any order, in UTF-8, divided by commas"
        )
    if twice := sorted({name for name in names if name in COLUMNS and names.count(name) > 1}):
        raise UnusableFileError(f"the first line names {', '.join(twice)} more than once")
    return header, {name: names.index(name) for name in COLUMNS if name in names}


def _text(named: dict[str, str], name: str, *, required: bool = False) -> str:
    value = named.get(name, "")
    if required and not value:
        raise _RowError(_REQUIRED, f"{name} is empty")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise _RowError(_INVALID, f"{name} is not UTF-8") from None
    return value


def _amount(named: dict[str, str]) -> int:
    """The amount in micros, exactly."""
    text = _text(named, "amount", required=True)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise _RowError(
            _INVALID,
            "amount is no decimal number such as 12.50, with a point, at most six decimals "
            "and no separators of thousands",
        )
    sign, units, decimals = match.groups(default="")
    if len(units) > _UNIT_DIGITS_MAX:
        raise _RowError(_TOO_LARGE, "amount is larger than any gift can be")
    micros = int(units) * 1_000_000 + int(decimals.ljust(6, "0"))
    return -micros if sign == "-" else micros


def _currency(named: dict[str, str]) -> str:
    text = _text(named, "currency", required=True)
    if _CURRENCY.fullmatch(text) is None:
        raise _RowError(_INVALID, "currency is no ISO 4217 code of three capitals, such as CNY")
    return text


def _time(named: dict[str, str]) -> datetime:
    """The moment, in UTC."""
    text = _text(named, "time", required=True)
    try:
        return given_time(text)
    except ValueError as error:
        raise _RowError(_INVALID, f"time {error}") from error
