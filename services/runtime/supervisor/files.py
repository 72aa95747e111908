"""Files that nobody else may read, written whole or not at all, and there after a power failure.

Some hold keys that cannot be made again.
"""

import os
from pathlib import Path


def write_private(file: Path, content: bytes | str) -> None:
    """Puts content in place of the file, which only its owner can read from the first byte on."""
    if isinstance(content, str):
        content = content.encode()
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
    flush(file.parent)


def flush(path: Path) -> None:
    """Brings a file, or a folder's list of names, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
