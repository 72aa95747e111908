"""Files that nobody else may read, written whole or not at all."""

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
    new.replace(file)
