"""A sheet as CSV (RFC 4180, UTF-8, one header line)."""

import csv
from typing import TextIO

from services.cli.sheets.sheet import Amount, Sheet, Value, harmless
from services.runtime.currency import decimal


def write_csv(sheet: Sheet, file: TextIO) -> None:
    """Writes the rows as they come. Text that a spreadsheet would execute is made harmless."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([column.name for column in sheet.columns])
    for row in sheet.rows:
        writer.writerow([_cell(value) for _, value in zip(sheet.columns, row, strict=True)])


def _cell(value: Value) -> str | int:
    if value is None:
        return ""
    if isinstance(value, Amount):
        return decimal(*value)
    return harmless(value) if isinstance(value, str) else value
