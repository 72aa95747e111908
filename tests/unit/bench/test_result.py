"""Medians and their ratio, and the file that keeps them."""

import json
from pathlib import Path

import pytest

from bench.result import Result, alternate, make_result, merge, read_results, write_results

FIELDS = {"name", "ours", "reference", "ratio", "unit", "n", "config"}


def result(name: str, ours: float = 1.0) -> Result:
    return make_result(name, [ours], [2.0], unit="gifts/s", n=10, config={})


def test_a_ratio_is_of_the_medians_and_not_of_the_means() -> None:
    made = make_result(
        "bulk", [60.0, 1.0, 50.0], [100.0, 900.0, 90.0], unit="gifts/s", n=7, config={"batch": 5}
    )
    assert (made.ours, made.reference, made.ratio) == (50.0, 100.0, 0.5)
    assert made.config == {
        "batch": 5,
        "repetitions": 3,
        "runs": {"ours": [60.0, 1.0, 50.0], "reference": [100.0, 900.0, 90.0]},
    }


def test_a_reference_of_nothing_makes_no_ratio() -> None:
    with pytest.raises(ValueError, match="bulk"):
        make_result("bulk", [1.0], [0.0], unit="gifts/s", n=1, config={})


async def test_ours_and_the_reference_take_turns() -> None:
    order: list[str] = []

    async def ours(number: int) -> float:
        order.append(f"ours {number}")
        return float(number)

    async def reference(number: int) -> float:
        order.append(f"reference {number}")
        return 10.0 + number

    assert await alternate(2, ours, reference) == ([0.0, 1.0], [10.0, 11.0])
    assert order == ["reference 0", "ours 0", "reference 1", "ours 1"]


def test_the_file_is_a_list_of_objects_with_the_agreed_fields(tmp_path: Path) -> None:
    file = tmp_path / "results" / "latest.json"
    write_results(file, [result("bulk"), result("unary")])
    rows = json.loads(file.read_text(encoding="utf-8"))
    assert [row["name"] for row in rows] == ["bulk", "unary"]
    assert all(set(row) == FIELDS for row in rows)
    assert read_results(file) == [result("bulk"), result("unary")]


def test_a_missing_file_keeps_nothing(tmp_path: Path) -> None:
    assert read_results(tmp_path / "latest.json") == []


def test_a_row_measured_anew_takes_its_old_place() -> None:
    kept = [result("unary"), result("bulk"), result("gone")]
    merged = merge(kept, [result("bulk", ours=4.0)], ["bulk", "unary"])
    assert [(row.name, row.ours) for row in merged] == [("bulk", 4.0), ("unary", 1.0)]
