"""The demo, smaller: its exit status, its JSON, and two of them side by side."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Command, finish

KEYS = {
    *("gifts", "accepted", "replayed", "refused", "conflicts", "suspense", "refunds", "kills"),
    *("told_by_two", "disputes"),
    *("ledger_entries", "expected_total_micros", "ledger_total_micros", "gateway_total_micros"),
    *("audit", "elapsed_s", "gifts_per_s"),
}
CHECKS = {
    *("chain", "log", "balances", "daily_balances", "trial_balance"),
    *("holds", "periods", "totals", "positions", "records", "batches"),
}


def assert_the_books_hold(status: int, output: str, file: Path, gifts: int, kills: int) -> None:
    assert status == 0, output
    result: dict[str, Any] = json.loads(file.read_text())
    assert set(result) == KEYS
    assert result["gifts"] == result["accepted"] == gifts
    assert result["replayed"] >= gifts // 10
    assert result["refused"] >= gifts // 1000 + 4
    assert result["conflicts"] >= gifts // 1000
    assert result["suspense"] >= gifts // 200
    assert result["refunds"] > 0
    assert result["told_by_two"] >= gifts // 100
    assert result["disputes"] >= 3
    assert result["kills"] == kills
    assert result["ledger_entries"] > 0
    assert set(result["expected_total_micros"]) == {"CNY", "EUR", "JPY", "USD"}
    assert all(micros > 0 for micros in result["expected_total_micros"].values())
    assert result["ledger_total_micros"] == result["expected_total_micros"]
    assert result["gateway_total_micros"] == result["expected_total_micros"]
    assert result["audit"]["ok"] is True
    assert {check["name"] for check in result["audit"]["checks"]} == CHECKS
    assert all(check["ok"] for check in result["audit"]["checks"])
    assert result["gifts_per_s"] == pytest.approx(gifts / result["elapsed_s"], rel=0.01)


def test_every_service_may_be_killed_on_the_way(watersmeet: Command, tmp_path: Path) -> None:
    kills = ("--kill", "ledger", "--kill", "donations", "--kill", "gateway")
    process = watersmeet("demo", "--gifts", 3_000, "--json", tmp_path / "result.json", *kills)
    status, output = finish(process)
    assert_the_books_hold(status, output, tmp_path / "result.json", gifts=3_000, kills=3)


def test_two_demos_side_by_side(watersmeet: Command, tmp_path: Path) -> None:
    processes = {}
    for seed in (1, 2):
        file = tmp_path / f"{seed}.json"
        processes[file] = watersmeet("demo", "--gifts", 1_500, "--seed", seed, "--json", file)
    for file, process in processes.items():
        status, output = finish(process)
        assert_the_books_hold(status, output, file, gifts=1_500, kills=1)
