"""A folder that is there whole or not at all, whatever interrupts its writing."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.files import flush

SUFFIX = ".partial"


@contextmanager
def whole_or_nothing(folder: Path, begins_anew: Callable[[Path], None]) -> Iterator[Path]:
    """A folder beside, to write to, which takes the folder's name when the block ends and all is on
    the disk. If the block raises, it is removed; what a killed process has left of it is, too.

    begins_anew: told of that. Raises MeshError if the folder is there already, or another process
    is writing it, and OSError.
    """
    if folder.exists():
        raise MeshError(
            f"{folder} is there already; nothing is written over, so name one that is not there"
        )
    partial = folder.with_name(folder.name + SUFFIX)
    partial.mkdir(parents=True, mode=0o700, exist_ok=True)
    with _only_writer(partial):
        if left := list(partial.iterdir()):
            begins_anew(partial)
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        try:
            yield partial
            for path in partial.iterdir():
                flush(path)
            flush(partial)
            if folder.exists():
                raise MeshError(f"{folder} has appeared meanwhile; name another folder")
            partial.rename(folder)
            flush(folder.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


@contextmanager
def _only_writer(partial: Path) -> Iterator[None]:
    """Holds a lock on the folder, of which nothing is left when the process ends."""
    number = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MeshError(
                f"another process is writing {partial}; wait until it ends, or name another folder"
            ) from None
        if not partial.is_dir() or not os.path.samestat(os.fstat(number), partial.stat()):
            raise MeshError(f"another process has just written {partial}; see what is there")
        yield
    finally:
        os.close(number)
