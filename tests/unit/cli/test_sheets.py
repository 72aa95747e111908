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

from services.cli.render import amount
from services.cli.sheets.csv_file import write_csv
from services.cli.sheets.present import present
from services.cli.sheets.sheet import Amount, Column, Kind, Sheet, Value, harmless
from services.cli.sheets.xlsx_file import write_xlsx
from services.runtime.currency import decimal

COLUMNS = (Column("cause"), Column("entry", Kind.NUMBER), Column("amount", Kind.AMOUNT))
EVIL = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")', "＝1+1", "＠SUM(A1)")


def cny(micros: int) -> Amount:
    return Amount(micros, "CNY")


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
    cell = csv_of((text, 1, cny(2))).split("\n", 1)[1].lstrip('"')
    assert cell.startswith("'")
    xml = xlsx_of(tmp_path / "book.xlsx", (text, 1, cny(2)))
    assert "<f>" not in xml
    assert "hyperlink" not in xml.lower().replace("hyperlink(", "")


def test_honest_cells_stay_what_they_are(tmp_path: Path) -> None:
    assert csv_of(("manual memo-1", 1, cny(-1_500_000)), ("a,b", 2, None)) == (
        'cause,entry,amount\nmanual memo-1,1,-1.50\n"a,b",2,\n'
    )
    xml = xlsx_of(tmp_path / "book.xlsx", ("x", 1, cny(-1_500_000)))
    assert re.search(r'<c r="C2"[^>]*><v>-1\.50+</v>', xml)


def test_an_amount_beyond_fifteen_digits_is_written_whole(tmp_path: Path) -> None:
    micros = 9_223_372_036_854_775_807
    assert "9223372036854.775807" in xlsx_of(tmp_path / "book.xlsx", ("x", 1, cny(micros)))
    assert "9223372036854.775807" in csv_of(("x", 1, cny(micros)))


def test_a_spreadsheet_shows_an_amount_with_its_currency_s_places(tmp_path: Path) -> None:
    rows = [
        ("yen", 1, Amount(1_000_000_000, "JPY")),
        ("part of a yen", 2, Amount(1_500_000, "JPY")),
        ("dinars", 3, Amount(1_000_000, "KWD")),
    ]
    write_xlsx(sheet(*rows), tmp_path / "book.xlsx")
    with zipfile.ZipFile(tmp_path / "book.xlsx") as book:
        styles = book.read("xl/styles.xml").decode()
        page = book.read("xl/worksheets/sheet1.xml").decode()
    forms = dict(re.findall(r'<numFmt numFmtId="(\d+)" formatCode="([^"]+)"', styles))
    used = re.findall(r'<xf numFmtId="(\d+)"', styles.split("<cellXfs")[1])
    shown = [forms[used[int(style)]] for style in re.findall(r'<c r="C[234]" s="(\d+)"', page)]
    assert shown == ["#,##0", "#,##0.######", "#,##0.000###"]
    assert csv_of(*rows).splitlines()[1:] == ["yen,1,1000", "part of a yen,2,1.5", "dinars,3,1.000"]


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["CNY", "JPY", "KWD", "MIN"]))
def test_an_amount_for_people_is_the_decimal_with_its_digits_grouped(
    micros: int, unit: str
) -> None:
    shown = amount(micros, unit)
    assert shown.replace(",", "") == decimal(micros, unit)
    assert re.fullmatch(r"-?\d{1,3}(,\d{3})*(\.\d{1,6})?", shown)


def test_json_has_amounts_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    present(sheet(("x", 1, cny(2_500_000))), as_json=True, as_csv=False, xlsx=None)
    assert json.loads(capsys.readouterr().out) == {
        "as_of_entry": 7,
        "rows": [{"cause": "x", "entry": 1, "amount": "2.50"}],
    }


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_json_is_one_document_of_as_many_rows_as_come(
    capsys: pytest.CaptureFixture[str], rows: int
) -> None:
    found = [(f"融汇\u2028{number}", number, None) for number in range(rows)]
    present(sheet(*found), as_json=True, as_csv=False, xlsx=None)
    shown = capsys.readouterr().out
    document = json.loads(shown)
    assert [row["entry"] for row in document["rows"]] == list(range(rows))
    assert shown == json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def test_json_is_written_as_the_rows_come(capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> Iterator[tuple[Value, ...]]:
        yield "first", 1, cny(2)
        assert "first" in capsys.readouterr().out
        yield "second", 2, cny(2)

    present(Sheet("entries", COLUMNS, rows()), as_json=True, as_csv=False, xlsx=None)
    assert "second" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["[red]x", "\\[red]x", "[/]", "x\\"])
def test_a_table_is_for_people_and_takes_no_text_for_markup(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    present(sheet((text, 1_234, cny(1_234_500_000))), as_json=False, as_csv=False, xlsx=None)
    shown = capsys.readouterr().out
    assert f" {text} " in shown
    assert "1,234.50" in shown
    assert "as of entry: 7" in shown


def test_a_time_is_whole_for_programs_and_to_the_second_for_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times: list[tuple[Value, ...]] = [
        ("2026-09-05T12:00:00.123456Z",),
        ("2026-09-05T12:00:01Z",),
        (None,),
    ]
    one = Sheet("times", (Column("given", Kind.TIME),), times)
    present(one, as_json=False, as_csv=False, xlsx=None)
    shown = capsys.readouterr().out
    assert "│ 2026-09-05 12:00:00Z │\n│ 2026-09-05 12:00:01Z │\n" in shown
    present(one, as_json=False, as_csv=True, xlsx=None)
    assert capsys.readouterr().out.splitlines()[1:3] == [time for (time,) in times[:2]]


def test_details_are_for_files_and_not_for_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (*COLUMNS, Column("hour", is_detail=True))
    detailed = Sheet("entries", columns, [("x", 1, cny(2), "noon")])
    present(detailed, as_json=False, as_csv=False, xlsx=None)
    assert "noon" not in capsys.readouterr().out
    present(detailed, as_json=False, as_csv=True, xlsx=None)
    assert "noon" in capsys.readouterr().out


def test_a_long_table_says_that_there_is_more(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("x", number, cny(number)) for number in range(1_001)]
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
        yield "x", 1, cny(2)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        write_xlsx(Sheet("entries", COLUMNS, rows()), tmp_path / "book.xlsx")
    assert list(tmp_path.iterdir()) == []
