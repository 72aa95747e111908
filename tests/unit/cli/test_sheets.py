"""Lists that finance takes away: nothing is executed, nothing is rounded."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from services.cli.render import amount, decimal
from services.cli.sheets.csv_file import write_csv
from services.cli.sheets.present import present
from services.cli.sheets.sheet import Column, Kind, Sheet, Value, harmless
from services.cli.sheets.xlsx_file import write_xlsx

COLUMNS = (Column("cause"), Column("entry", Kind.NUMBER), Column("amount", Kind.AMOUNT))
EVIL = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")')


def sheet(*rows: tuple[Value, ...]) -> Sheet:
    return Sheet("entries", COLUMNS, rows, {"as_of_entry": 7})


def csv_of(*rows: tuple[Value, ...]) -> str:
    file = io.StringIO()
    write_csv(sheet(*rows), file)
    return file.getvalue()


def xlsx_of(path: Path, *rows: tuple[Value, ...]) -> str:
    """The worksheet's XML."""
    write_xlsx(sheet(*rows), path)
    with zipfile.ZipFile(path) as book:
        return book.read("xl/worksheets/sheet1.xml").decode()


@pytest.mark.parametrize("text", EVIL)
def test_what_a_spreadsheet_would_execute_is_made_harmless(text: str, tmp_path: Path) -> None:
    assert harmless(text) == f"'{text}"
    cell = csv_of((text, 1, 2)).split("\n", 1)[1].lstrip('"')
    assert cell.startswith("'")
    xml = xlsx_of(tmp_path / "book.xlsx", (text, 1, 2))
    assert "<f>" not in xml
    assert "hyperlink" not in xml.lower().replace("hyperlink(", "")


def test_honest_cells_stay_what_they_are(tmp_path: Path) -> None:
    assert csv_of(("manual memo-1", 1, -1_500_000), ("a,b", 2, None)) == (
        'cause,entry,amount\nmanual memo-1,1,-1.50\n"a,b",2,\n'
    )
    xml = xlsx_of(tmp_path / "book.xlsx", ("x", 1, -1_500_000))
    assert re.search(r'<c r="C2"[^>]*><v>-1\.50+</v>', xml)


def test_an_amount_beyond_fifteen_digits_is_written_whole(tmp_path: Path) -> None:
    micros = 9_223_372_036_854_775_807
    assert "9223372036854.775807" in xlsx_of(tmp_path / "book.xlsx", ("x", 1, micros))
    assert "9223372036854.775807" in csv_of(("x", 1, micros))


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_decimal_is_exact(micros: int) -> None:
    whole, part = decimal(micros).lstrip("-").split(".")
    assert int(whole) * 1_000_000 + int(part.ljust(6, "0")) == abs(micros)
    assert 2 <= len(part) <= 6
    assert decimal(micros).startswith("-") == (micros < 0)
    assert amount(micros).replace(",", "") == decimal(micros)


def test_json_has_amounts_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    present(sheet(("x", 1, 2_500_000)), as_json=True, as_csv=False, xlsx=None)
    assert json.loads(capsys.readouterr().out) == {
        "as_of_entry": 7,
        "rows": [{"cause": "x", "entry": 1, "amount": "2.50"}],
    }


def test_a_table_is_for_people_and_takes_no_text_for_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    present(sheet(("[red]x", 1_234, 1_234_500_000)), as_json=False, as_csv=False, xlsx=None)
    shown = capsys.readouterr().out
    assert "[red]x" in shown
    assert "1,234.50" in shown
    assert "as of entry: 7" in shown


def test_details_are_for_files_and_not_for_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    detailed = Sheet("entries", (*COLUMNS, Column("hour", is_detail=True)), [("x", 1, 2, "noon")])
    present(detailed, as_json=False, as_csv=False, xlsx=None)
    assert "noon" not in capsys.readouterr().out
    present(detailed, as_json=False, as_csv=True, xlsx=None)
    assert "noon" in capsys.readouterr().out


def test_a_long_table_says_that_there_is_more(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("x", number, number) for number in range(1_001)]
    present(sheet(*rows), as_json=False, as_csv=False, xlsx=None)
    assert "--csv and --xlsx have all" in capsys.readouterr().out


def test_one_form_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="choose one"):
        present(sheet(), as_json=True, as_csv=False, xlsx=tmp_path / "book.xlsx")


def test_a_file_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        present(sheet(), as_json=False, as_csv=False, xlsx=tmp_path / "none" / "book.xlsx")
    assert ended.value.exit_code == 1
    assert "book.xlsx cannot be written" in capsys.readouterr().err


def test_rows_that_break_off_leave_no_file(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[Value, ...]]:
        yield "x", 1, 2
        raise ConnectionError

    with pytest.raises(ConnectionError):
        write_xlsx(Sheet("entries", COLUMNS, rows()), tmp_path / "book.xlsx")
    assert list(tmp_path.iterdir()) == []
