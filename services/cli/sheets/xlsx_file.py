"""A sheet for a spreadsheet (.xlsx)."""

from decimal import Decimal
from pathlib import Path

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from services.cli.sheets.sheet import Amount, Kind, Sheet, Value, harmless
from services.runtime.currency import MICROS_PER_UNIT, decimal, places_of

_ROWS_MAX = 1_048_575
# A spreadsheet keeps fifteen digits of a number. What has more is written as text, whole.
_EXACT_MICROS_MAX = 10**15 - 1


class TooManyRowsError(Exception):
    """More rows than a worksheet has."""


def write_xlsx(sheet: Sheet, path: Path) -> None:
    """Writes the rows as they come; text stays text, whatever it begins with. A file of this name
    has all of them, or is what it was before.

    Raises TooManyRowsError, OSError or XlsxFileError if the file cannot be written, and what the
    rows raise.
    """
    partial = path.with_name(f"{path.name}.partial")
    partial.touch()  # it is told before all rows are read
    try:
        _write_book(sheet, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_book(sheet: Sheet, path: Path) -> None:
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        page = book.add_worksheet(sheet.name[:31])
        bold = book.add_format({"bold": True})
        formats = _Formats(book)
        page.freeze_panes(1, 0)
        for place, column in enumerate(sheet.columns):
            page.write_string(0, place, column.title, bold)
            page.set_column(place, place, 18 if column.kind in (Kind.NUMBER, Kind.AMOUNT) else 30)
        for number, row in enumerate(sheet.rows, start=1):
            if number > _ROWS_MAX:
                raise TooManyRowsError(
                    f"a worksheet has {_ROWS_MAX:,} rows; ask for a shorter time, or use --csv"
                )
            for place, (_, value) in enumerate(zip(sheet.columns, row, strict=True)):
                _write(page, number, place, value, formats)


class _Formats:
    """How the cells of a book show amounts: with their unit's places, or all that they need."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        self._made: dict[str, Format] = {}

    def of(self, amount: Amount) -> Format:
        """The format that shows an amount in full."""
        places = places_of(amount.unit)
        if not places and amount.micros % MICROS_PER_UNIT == 0:
            # A point that is always shown would stand behind whole units.
            form = "#,##0"
        else:
            form = "#,##0." + "0" * places + "#" * (6 - places)
        if form not in self._made:
            self._made[form] = self._book.add_format({"num_format": form})
        return self._made[form]


def _write(page: Worksheet, row: int, place: int, value: Value, formats: _Formats) -> None:
    if value is None:
        return
    if isinstance(value, str):
        page.write_string(row, place, harmless(value))
    elif isinstance(value, int):
        page.write_number(row, place, value)
    elif abs(value.micros) <= _EXACT_MICROS_MAX:
        page.write_number(row, place, Decimal(value.micros).scaleb(-6), formats.of(value))
    else:
        page.write_string(row, place, decimal(*value))
