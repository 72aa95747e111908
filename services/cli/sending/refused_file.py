"""The file of the rows that were not accepted, made when the first of them is known."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from services.cli.sheets.sheet import harmless

_ADDED_COLUMNS = ("line", "outcome", "reason", "message")


class RefusedFile:
    """Rows as they were sent, each with why it was not accepted. A context manager.

    An earlier run's file of the same name is replaced; where this run has no such row, by a header
    alone, so that nobody takes the old rows for new ones.
    """

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        """path: where to write. header: the names of the rows' columns."""
        self.path = path
        self.rows = 0
        self._header = header
        self._file: TextIO | None = None
        self._partial = path.with_name(path.name + ".partial")

    def __enter__(self) -> "RefusedFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._file is None and kind is None and self.path.exists():
            self._open()
        if self._file is not None:
            self._file.close()
            self._partial.replace(self.path)

    def add(self, cells: Sequence[str], line: int, outcome: str, reason: str, message: str) -> None:
        """Writes one row. A row of another length than the header keeps its columns' order."""
        if self._file is None:
            self._open()
        width = len(self._header)
        padded = [*cells[:width], *[""] * (width - len(cells))]
        self._write([*padded, str(line), outcome, reason, message])
        self.rows += 1

    def _open(self) -> None:
        # Donors' references are in it: for its owner only.
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(
            descriptor, "w", encoding="utf-8", errors="surrogateescape", newline=""
        )
        self._write([*self._header, *_ADDED_COLUMNS])

    def _write(self, cells: Sequence[str]) -> None:
        assert self._file is not None
        csv.writer(self._file).writerow(map(harmless, cells))
