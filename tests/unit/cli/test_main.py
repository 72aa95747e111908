"""The whole application, as its help lists it."""

import pytest
from typer.testing import CliRunner

from services.cli.main import COMMANDS, build


def test_help_lists_all_commands_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    shown = CliRunner().invoke(build(), ["--help"])
    assert shown.exit_code == 0, shown.exception
    rows = shown.stdout.split("Commands", 1)[1].splitlines()
    listed = [row.strip("│ ").split()[0] for row in rows if row.startswith("│ ")]
    assert listed == list(COMMANDS)
