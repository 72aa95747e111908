"""SHA256SUMS: a line for each file, as sha256sum writes and checks it."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from services.cli.verifying.layout import SUMMED, SUMS
from services.cli.verifying.report import Finding


def sums_text(sums: Mapping[str, str]) -> str:
    """SHA256SUMS. sums: by file."""
    return "".join(f"{sums[name]}  {name}\n" for name in SUMMED)


def missing_files(folder: Path) -> list[Finding]:
    """What of an archive is not there, and what is there besides."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    names = {*SUMMED, SUMS}
    return [
        *(Finding(name, "it is missing") for name in sorted(names - there)),
        *(
            Finding(name, "it is no file")
            for name in sorted(names & there)
            if not (folder / name).is_file()
        ),
        *(Finding(name, "it is no file of an archive") for name in sorted(there - names)),
    ]


def wrong_sums(folder: Path, sums: Mapping[str, str]) -> Iterator[Finding]:
    """Where SHA256SUMS is not what the files make it. sums: made of the files."""
    lines = (folder / SUMS).read_bytes().split(b"\n")
    expected: Iterable[bytes] = sums_text(sums).encode().split(b"\n")
    for number, line in enumerate(expected):
        if number >= len(lines):
            yield Finding(SUMS, "a line is missing", line=number + 1)
        elif lines[number] != line:
            name = line.decode().rpartition(" ")[2]
            about = (
                f"it is not the sum of {name}, or {name} was changed" if name else "more than sums"
            )
            yield Finding(SUMS, about, line=number + 1)
    if len(lines) > len(SUMMED) + 1:
        yield Finding(SUMS, "it has more lines than files", line=len(SUMMED) + 1)
