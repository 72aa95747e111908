"""A sheet as CSV (RFC 4180, UTF-8, one header line)."""

import csv
from typing import TextIO

from services.cli.render import decimal
from services.cli.sheets.sheet import Column, Kind, Sheet, Value, harmless


def write_csv(sheet: Sheet, file: TextIO) -> None:
    """Writes the rows as they come. Text that a spreadsheet would execute is made harmless."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([column.name for column in sheet.columns])
    for row in sheet.rows:
        writer.writerow([_cell(*pair) for pair in zip(sheet.columns, row, strict=True)])


def _cell(column: Column, value: Value) -> Value:
    if value is None:
        return ""
    if column.kind is Kind.AMOUNT:
        assert isinstance(value, int), "amounts are micros"
        return decimal(value)
    return harmless(value) if isinstance(value, str) else value
