"""The end of a log, for people."""

import json
from pathlib import Path

import pytest

from services.runtime.supervisor.log_tail import log_tail

TRACEBACK = """Traceback (most recent call last):
  File "a.py", line 1, in main
    run()
ValueError: inner

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "b.py", line 2, in run
    connect()
    ^^^^^^^^^
OperationalError: connection refused
\tIs the server running?
(Background on this error)"""
CAUSE = "OperationalError: connection refused Is the server running? (Background on this error)"


def test_the_last_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(20)))
    assert log_tail(log) == "\n".join(f"  line {number}" for number in range(12, 20))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"event": "ready", "level": "info", "address": "x"}', "info: ready"),
        (
            json.dumps({"event": "failed", "level": "error", "exception": TRACEBACK}),
            f"error: failed: {CAUSE}",
        ),
        (
            json.dumps({"event": "failed", "level": "error", "exception": "ValueError: x"}),
            "error: failed: ValueError: x",
        ),
        ('{"half": ', '{"half": '),
        ("[1]", "[1]"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_structured_lines_become_sentences(tmp_path: Path, line: str, shown: str) -> None:
    log = tmp_path / "log"
    log.write_text(line + "\n")
    assert log_tail(log) == f"  {shown}"


def test_no_log_is_no_text(tmp_path: Path) -> None:
    assert log_tail(tmp_path / "log") == ""
