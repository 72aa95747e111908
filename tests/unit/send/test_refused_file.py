"""The file of the rows that were not accepted."""

import csv
from pathlib import Path

import pytest

from services.cli.sending.refused_file import RefusedFile
from services.cli.sheets.sheet import harmless


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_no_file_without_rows(tmp_path: Path) -> None:
    with RefusedFile(tmp_path / "refused.csv", ["a"]):
        pass
    assert list(tmp_path.iterdir()) == []


def test_rows_keep_their_columns_and_say_why(tmp_path: Path) -> None:
    path = tmp_path / "refused.csv"
    with RefusedFile(path, ["external_id", "amount"]) as refused:
        refused.add(["a", "1"], 2, "refused", "FIELD_INVALID", "why, and what to do")
        refused.add(["b"], 3, "refused", "FIELD_INVALID", "")
        refused.add(["c", "1", "2"], 4, "conflicting", "DONATION_CONFLICT", "")
        assert refused.rows == 3
    assert rows_of(path) == [
        ["external_id", "amount", "line", "outcome", "reason", "message"],
        ["a", "1", "2", "refused", "FIELD_INVALID", "why, and what to do"],
        ["b", "", "3", "refused", "FIELD_INVALID", ""],
        ["c", "1", "4", "conflicting", "DONATION_CONFLICT", ""],
    ]
    assert path.stat().st_mode & 0o077 == 0


def test_an_earlier_runs_rows_do_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "refused.csv"
    path.write_text("old")
    with RefusedFile(path, ["a"]):
        pass
    assert rows_of(path) == [["a", "line", "outcome", "reason", "message"]]


def test_a_run_that_failed_leaves_what_it_knew(tmp_path: Path) -> None:
    path = tmp_path / "refused.csv"

    def run() -> None:
        with RefusedFile(path, ["a"]) as refused:
            refused.add(["x"], 2, "refused", "FIELD_INVALID", "")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert len(rows_of(path)) == 2


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_made_harmless(tmp_path: Path, cell: str) -> None:
    assert harmless(cell) == "'" + cell
    path = tmp_path / "refused.csv"
    with RefusedFile(path, [cell]) as refused:
        refused.add([cell], 2, "refused", "FIELD_INVALID", cell)
    assert all(not row[0].startswith(cell[0]) for row in rows_of(path))


def test_other_cells_stay_as_they_are() -> None:
    assert [harmless(cell) for cell in ("", "a=1", "1-2", "'x")] == ["", "a=1", "1-2", "'x"]
