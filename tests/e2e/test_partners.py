"""The partners' commands against one mesh: `simulate` and `send`."""

import csv
import json
import secrets
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.conftest import Command, finish, starter

_START_TIMEOUT_S = 60.0
PROJECTS = ("water-guizhou", "forest-yunnan", "clinic-gansu")
HEADER = ("external_id", "project", "amount", "currency", "time", "donor_reference")
# Of a day on which the simulator's charities have their certificates.
TIME = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("partners")


@pytest.fixture(scope="module")
def run(folder: Path) -> Command:
    return starter(folder)


@pytest.fixture(scope="module")
def gateway(folder: Path, run: Command) -> Iterator[str]:
    """A mesh with today's campaign in its catalog; the address of its gateway."""
    mesh = run("up", "--state", folder / "state")
    state, give_up = folder / "state" / "mesh.json", time.monotonic() + _START_TIMEOUT_S
    try:
        while not state.exists():
            assert mesh.poll() is None, finish(mesh)
            assert time.monotonic() < give_up, "the mesh does not start"
            time.sleep(0.1)
        status, output = finish(simulate(run, folder, "--gifts", 120, "--seed", 4))
        assert status == 0, output
        services = json.loads(state.read_text())["services"]
        yield f"http://{services['gateway']['http']}"
    finally:
        mesh.terminate()
        finish(mesh)


def simulate(run: Command, folder: Path, *arguments: object) -> subprocess.Popen[str]:
    return run("simulate", "--state", folder / "state", *arguments)


def claimed(gateway: str) -> Counter[str]:
    """What is claimed by project, in micros of CNY, as the world sees it."""
    with urllib.request.urlopen(f"{gateway}/v1/totals?group_by=project", timeout=10) as answer:
        rows = json.load(answer)["rows"]
    claims = [r for r in rows if r["state"] == "claimed" and r["currency"] == "CNY"]
    return Counter({r["project"]: int(r["micros"]) for r in claims})


def write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows)


def sums(rows: Sequence[Sequence[str]]) -> Counter[str]:
    """The file's own sums by project, in micros."""
    totals: Counter[str] = Counter()
    for _, project, amount, *_ in rows:
        totals[project] += int(Decimal(amount).scaleb(6))
    return totals


def wait_for(gateway: str, expected: Counter[str]) -> None:
    give_up = time.monotonic() + 20
    while (found := claimed(gateway)) != expected:
        assert time.monotonic() < give_up, f"{found} is not {expected}"
        time.sleep(0.05)


def test_simulating_the_same_seed_again_changes_nothing(
    gateway: str, run: Command, folder: Path
) -> None:
    status, output = finish(simulate(run, folder, "--gifts", 120, "--seed", 4))
    assert status == 0, output
    accepted = [line.split("│")[3].strip() for line in output.splitlines() if line.startswith("│")]
    assert accepted == ["0"] * 7


def test_one_platform_at_a_pace(gateway: str, run: Command, folder: Path) -> None:
    start = time.monotonic()
    process = simulate(run, folder, "--platform", "tencent", "--gifts", 20, "--rate", 20)
    status, output = finish(process)
    assert status == 0, output
    assert time.monotonic() - start > 1


def test_a_file_is_sent_and_totals_equal_its_own_sums(
    gateway: str, run: Command, folder: Path
) -> None:
    before = claimed(gateway)
    rows = [
        (f"f1/{n}", PROJECTS[n % 3], f"{n + 1}.{n:03d}", "CNY", TIME, f"u{n % 7}")
        for n in range(250)
    ]
    file = folder / "gifts.csv"
    write(file, rows)
    send = ("send", file, "--partner", "weibo", "--state", folder / "state", "--batch", 40)
    status, output = finish(run(*send))
    assert status == 0, output
    assert "250" in output
    wait_for(gateway, before + sums(rows))

    status, output = finish(run(*send))
    assert status == 0, output
    assert "replayed" in output
    assert claimed(gateway) == before + sums(rows)
    assert not (folder / "gifts.refused.csv").exists()


def test_rows_that_are_not_accepted_are_named(gateway: str, run: Command, folder: Path) -> None:
    before = claimed(gateway)
    good = [(f"f2/{n}", PROJECTS[0], "1.5", "CNY", TIME, "") for n in range(5)]
    bad = [
        ("f2/0", PROJECTS[0], "2.5", "CNY", TIME, ""),
        ("f2/7", PROJECTS[0], "-1", "CNY", TIME, ""),
        ("f2/8", PROJECTS[0], "1", "XXX", TIME, ""),
        ("f2/9", "=HYPERLINK(1)", "1", "CNY", TIME, ""),
        ("f2/10", PROJECTS[0], "1", "CNY", "2019-09-05 12:00", ""),
    ]
    elsewhere = [("f2/11", "never-heard-of", "3", "CNY", TIME, "")]
    file, refused = folder / "some.csv", folder / "not.csv"
    write(file, good + bad + elsewhere)
    send = ("send", file, "--partner", "weibo", "--state", folder / "state", "--refused", refused)
    status, output = finish(run(*send))
    assert status == 2, output
    assert "never-heard-of" in output
    wait_for(gateway, before + sums(good))
    with refused.open(newline="", encoding="utf-8") as opened:
        named = {row["line"]: row for row in csv.DictReader(opened)}
    assert {line: (row["outcome"], row["reason"]) for line, row in named.items()} == {
        "7": ("conflicting", "DONATION_CONFLICT"),
        "8": ("refused", "AMOUNT_NOT_POSITIVE"),
        "9": ("refused", "CURRENCY_UNKNOWN"),
        "10": ("refused", "FIELD_INVALID"),
        "11": ("refused", "FIELD_INVALID"),
    }
    assert named["10"]["project"] == "'=HYPERLINK(1)"
    assert all(row["message"] for row in named.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.csv", "--partner", "weibo"), "none.csv cannot be read"),
        (("gifts.csv", "--partner", secrets.token_hex(4)), "has no certificate"),
        (("gifts.csv", "--partner", "weibo", "--target", "127.0.0.1:1"), "belong together"),
        (("gifts.csv", "--partner", "weibo", "--refused", "gifts.csv"), "overwrite"),
    ],
)
def test_what_cannot_be_sent_is_said(
    gateway: str, run: Command, folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    write(folder / "gifts.csv", [])
    status, output = finish(run("send", *arguments, "--state", folder / "state"))
    assert status == 1, output
    assert words in " ".join(output.split())


def test_another_partners_certificate_is_noticed(gateway: str, run: Command, folder: Path) -> None:
    certs = folder / "state" / "certs"
    address = json.loads((folder / "state" / "mesh.json").read_text())["services"]["donations"]
    write(folder / "three.csv", [(f"t/{n}", PROJECTS[0], "1", "CNY", TIME, "") for n in range(3)])
    arguments = (
        *("send", folder / "three.csv", "--target", address["address"], "--ca", certs / "ca.crt"),
        *("--cert", certs / "partner-xiaomi.crt", "--key", certs / "partner-xiaomi.key"),
    )
    status, output = finish(run(*arguments, "--partner", "weibo"))
    assert status == 1, output
    assert "certificate of partner/xiaomi" in " ".join(output.split())
    status, output = finish(run(*arguments, "--partner", "xiaomi"))
    assert status == 0, output
