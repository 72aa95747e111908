"""Shows a sheet in the form that was asked for."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from xlsxwriter.exceptions import XlsxFileError

from services.cli.console import make_console
from services.cli.render import amount, print_json, to_the_second
from services.cli.sheets.csv_file import write_csv
from services.cli.sheets.sheet import Amount, Column, Kind, Sheet, Value, named
from services.cli.sheets.xlsx_file import TooManyRowsError, write_xlsx
from services.runtime.currency import decimal

_SHOWN_MAX = 1_000
_COULD_NOT_WRITE = 1

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="As CSV, on standard output.")]
AsXlsx = Annotated[
    Path | None,
    typer.Option("--xlsx", metavar="FILE", help="Into a spreadsheet.", dir_okay=False),
]


def present(
    sheet: Sheet,
    *,
    as_json: bool,
    as_csv: bool,
    xlsx: Path | None,
    document: Callable[[], object] | None = None,
) -> None:
    """Shows or writes the sheet, its rows as they come. document: what programs are told instead
    of it.

    Raises BadParameter if more than one form is asked for; exits with status 1 if the file cannot
    be written.
    """
    if as_json + as_csv + (xlsx is not None) > 1:
        raise typer.BadParameter("choose one of --json, --csv and --xlsx")
    if as_json and document is not None:
        print_json(document())
    elif as_json:
        _write_json(sheet, sys.stdout)
    elif as_csv:
        write_csv(sheet, sys.stdout)
    elif xlsx is not None:
        _write(sheet, xlsx)
    else:
        _show(make_console(), sheet)


def _write(sheet: Sheet, path: Path) -> None:
    try:
        write_xlsx(sheet, path)
    except (OSError, XlsxFileError, TooManyRowsError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        typer.echo(f"watersmeet: {path} cannot be written: {why}", err=True)
        raise typer.Exit(_COULD_NOT_WRITE) from error
    typer.echo(f"Written: {path}")


def _write_json(sheet: Sheet, file: TextIO) -> None:
    """One document as print_json has it, of which no more than a row is in memory."""
    facts = json.dumps({**document_of(sheet.facts), "rows": []}, ensure_ascii=False, indent=2)
    file.write(facts.removesuffix("]\n}"))
    between = "\n    "
    for document in _documents(sheet):
        row = json.dumps(document, ensure_ascii=False, indent=2)
        file.write(between + row.replace("\n", "\n    "))
        between = ",\n    "
    file.write("\n  ]\n}\n" if between.startswith(",") else "]\n}\n")


def document_of(facts: Mapping[str, Value]) -> dict[str, str | int | None]:
    """Facts about something, for programs."""
    return {name: _json_value(fact) for name, fact in facts.items()}


def documents_of(sheet: Sheet) -> list[dict[str, str | int | None]]:
    """The rows, for programs."""
    return list(_documents(sheet))


def _documents(sheet: Sheet) -> Iterable[dict[str, str | int | None]]:
    return (document_of(named(sheet.columns, row)) for row in sheet.rows)


def _json_value(value: Value) -> str | int | None:
    # Amounts are text: a program's numbers may be floats.
    return decimal(*value) if isinstance(value, Amount) else value


def _show(console: Console, sheet: Sheet) -> None:
    rows = iter(sheet.rows)
    shown = list(islice(rows, _SHOWN_MAX))
    more = next(rows, None) is not None
    console.print(table_of(sheet.columns, shown) if shown else "Nothing there.")
    if more:
        console.print(f"These are the first {_SHOWN_MAX:,}; --csv and --xlsx have all.")
    show_facts(console, sheet.facts)


def present_one(facts: Mapping[str, Value], parts: Sequence[Sheet] = (), *, as_json: bool) -> None:
    """Shows facts about something, and below them lists of what belongs to it, if there is any."""
    if as_json:
        print_json({**document_of(facts), **{part.name: documents_of(part) for part in parts}})
        return
    console = make_console()
    show_facts(console, facts)
    for part in parts:
        rows = list(part.rows)
        if rows:
            table = table_of(part.columns, rows)
            table.title, table.title_justify = part.name, "left"
            console.print(table)


def show_facts(console: Console, facts: Mapping[str, Value]) -> None:
    """Facts about something, a line each."""
    for name, value in facts.items():
        console.print(f"{name.replace('_', ' ')}: {_shown(value)}", style="dim", markup=False)


def table_of(columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> Table:
    """Rows for the screen, without columns of details."""
    table = Table(header_style="bold")
    shown = [place for place, column in enumerate(columns) if not column.is_detail]
    for column in map(columns.__getitem__, shown):
        is_text = column.kind is Kind.TEXT
        table.add_column(
            column.title,
            justify="left" if is_text or column.kind is Kind.TIME else "right",
            no_wrap=not is_text,
            overflow="fold" if is_text else "ellipsis",
        )
    for row in rows:
        cells = (_shown(row[place], columns[place].kind) for place in shown)
        table.add_row(*map(Text, cells))
    return table


def _shown(value: Value, kind: Kind = Kind.TEXT) -> str:
    if value is None:
        return ""
    if kind is Kind.TIME and isinstance(value, str):
        return to_the_second(value)
    if isinstance(value, Amount):
        return amount(*value)
    return f"{value:,}" if isinstance(value, int) else value
