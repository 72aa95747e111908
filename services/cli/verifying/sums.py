"""Files' sums. Imports next to nothing, as they are begun before all else."""

from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

from services.cli.verifying.layout import SUMMED


def sum_of(path: Path) -> str:
    """A file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        if not path.stat().st_size:  # which cannot be mapped
            return sha256().hexdigest()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            return sha256(content).hexdigest()


def sums_of(folder: Path) -> dict[str, str]:
    """The sums of those files of an archive that are there."""
    return {name: sum_of(folder / name) for name in SUMMED if (folder / name).is_file()}
