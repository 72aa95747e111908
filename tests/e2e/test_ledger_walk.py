"""docs/ledger.md's walk, command by command, against a mesh of its own.

What differs from run to run (times, ids, hashes, signatures) is compared by its form alone.
`WATERSMEET_WRITE_WALK=1` writes what the commands print into the document instead of comparing.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.conftest import Command

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/ledger.md"
HEADING = "## A walk\n"
# What was sent is in the books a moment later: what only reads may be asked again.
_WAIT_S = 20.0
_CHANGES = (
    *("send", "reverse", "export", "certs issue", "account freeze", "account unfreeze"),
    *("periods begin-closing", "periods close", "periods reopen"),
)
_COMMAND_S = 60

# In this order: the parts of a longer form would match first.
_FORMS = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z"), "<time>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"[A-Za-z0-9+/]{40,}={0,2}"), "<base64>"),
    (re.compile(r"\+[0-9a-f]{8}\+"), "+<key>+"),
    # The day of the gifts is the document's; every other is the day on which this runs.
    (re.compile(r"\b2\d{3}-\d\d-\d\d\b(?<!2019-09-05)"), "<day>"),
    # Checkpoints are signed now and then, beside the postings.
    (re.compile(r"\b(?:log +)?\d+(?= +all \d+ checkpoints| checkpoints)"), "<checkpoints>"),
    (re.compile(r"\d+(?:\.\d+)? (?:ms|s)\b"), "<seconds>"),
)


class File(NamedTuple):
    """A file that the walk says to save."""

    name: str
    text: str


class Step(NamedTuple):
    """A command and what it prints."""

    command: str
    printed: str


def walk() -> tuple[str, list[File | list[Step]]]:
    """The document's section, and its files and blocks of commands in their order."""
    section = DOCUMENT.read_text(encoding="utf-8").split(HEADING)[1].split("\n## ")[0]
    found: list[File | list[Step]] = []
    for info, text in re.findall(r"^```(\S[^\n]*)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE):
        language, _, name = info.partition(" ")
        if name:
            found.append(File(name, text))
        elif language == "console":
            found.append(list(_steps(text)))
    return section, found


def _steps(block: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield Step(command, printed)


def masked(text: str) -> str:
    """Text in which everything that differs from run to run is its form."""
    for form, name in _FORMS:
        text = form.sub(name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


class Shell:
    """Runs commands in the walk's folder, as its reader does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        settings = {k: v for k, v in os.environ.items() if not k.startswith("WATERSMEET_")}
        own = str(Path(sys.executable).parent)
        self._environment = {**settings, "COLUMNS": "100", "PATH": f"{own}:{settings['PATH']}"}

    def run(self, command: str) -> str:
        """What a command prints, on both outputs."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        return done.stdout

    def until(self, step: Step) -> str:
        """What a command prints; what only reads is asked again until it is as expected."""
        give_up = time.monotonic() + _WAIT_S
        changes = any(f"watersmeet {name}" in step.command for name in _CHANGES)
        while True:
            printed = self.run(step.command)
            if changes or masked(printed) == masked(step.printed) or time.monotonic() > give_up:
                return printed
            if "watersmeet verify" in step.command:
                # Its reader is slower: by then a checkpoint, signed every ten seconds, covers all.
                self.run("rm -r books && watersmeet export ledger books")
            time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(450)
def test_every_command_prints_what_the_document_says(watersmeet: Command, tmp_path: Path) -> None:
    section, parts = walk()
    assert sum(len(part) for part in parts if isinstance(part, list)) >= 12
    mesh = watersmeet("up")
    shell = Shell(tmp_path)
    written = section
    try:
        assert mesh.stdout is not None, "it is a pipe"
        assert any("Ctrl-C" in line for line in mesh.stdout), "the mesh did not come up"
        for part in parts:
            if isinstance(part, File):
                (tmp_path / part.name).write_text(part.text, encoding="utf-8")
                continue
            for step in part:
                if os.environ.get("WATERSMEET_WRITE_WALK"):
                    time.sleep(2)
                    printed = shell.run(step.command).strip("\n")
                    printed = "\n".join(line.rstrip() for line in printed.splitlines())
                    shown = f"{printed}\n\n" if printed else "\n"
                    written = written.replace(
                        f"$ {step.command}\n{step.printed}", f"$ {step.command}\n{shown}", 1
                    )
                    continue
                printed = shell.until(step)
                assert masked(printed) == masked(step.printed), step.command
    finally:
        mesh.terminate()
        mesh.communicate(timeout=60)
    if os.environ.get("WATERSMEET_WRITE_WALK"):
        text = DOCUMENT.read_text(encoding="utf-8").replace(section, written)
        DOCUMENT.write_text(re.sub(r"\n\n```$", "\n```", text, flags=re.MULTILINE), "utf-8")
