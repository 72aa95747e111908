"""ledger.beancount, compared with what the entries make: by hashes, then by text."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import BinaryIO, NamedTuple

from services.cli.verifying.beancount import transaction
from services.cli.verifying.layout import BEANCOUNT, END, ENTRIES, MARK_BYTES
from services.cli.verifying.segment import Known, Stretch
from services.cli.verifying.text import Misread, read


class Part(NamedTuple):
    """A part of the file as it should be. stretch: the entries that it is of, if it is of entries;
    text: what it should be otherwise.
    """

    length: int
    sha256: bytes
    stretch: Stretch | None = None
    text: bytes = b""


class Difference(NamedTuple):
    """A line of the file, from 1, and the entry that it is of; 0 for none."""

    line: int
    entry: int


def text_part(text: bytes) -> Part:
    """A part that is known in full."""
    return Part(len(text), sha256(text).digest(), text=text)


def differences(known: Known, parts: Sequence[Part]) -> Iterator[Difference]:
    """Where the file is not what it should be: the first line of each part that differs.

    Where the file has another length, only the first line of all, as all behind it is displaced.
    """
    path = known.folder / BEANCOUNT
    displaced = path.stat().st_size != sum(part.length for part in parts)
    line = 1
    with path.open("rb") as file:
        for part in parts:
            piece = file.read(part.length)
            if sha256(piece).digest() != part.sha256:
                yield _first_difference(known, part, piece, line)
                if displaced:
                    return
            line += piece.count(b"\n")
        if displaced:
            yield Difference(line, 0)


def _first_difference(known: Known, part: Part, piece: bytes, line: int) -> Difference:
    texts = [(0, part.text)] if part.stretch is None else _rendered(known, part.stretch)
    at = 0
    for entry, text in texts:
        here = piece[at : at + len(text)]
        if here != text:
            same = next(
                (n for n, (a, b) in enumerate(zip(here, text, strict=False)) if a != b), len(here)
            )
            return Difference(line + piece[: at + same].count(b"\n"), entry)
        at += len(text)
    return Difference(line + piece.count(b"\n"), 0)


def _rendered(known: Known, stretch: Stretch) -> Iterable[tuple[int, bytes]]:
    """What the entries of a stretch make, one by one. What cannot be read makes nothing."""
    with (known.folder / ENTRIES).open("rb") as file:
        blocks = _read(file, stretch).split(END)
    for block in blocks:
        try:
            entry = read(block[:-MARK_BYTES])
            yield entry.sequence, transaction(entry, known.names)
        except (Misread, KeyError):
            continue


def _read(file: BinaryIO, stretch: Stretch) -> bytes:
    file.seek(stretch.begin)
    return file.read(stretch.end - stretch.begin)
