"""The state directory: private, and one mesh's at a time."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from services.runtime.supervisor.errors import MeshError

_LOCK = "lock"


def open_directory(directory: Path) -> Path:
    """The absolute path of a state directory, made with mode 0700 if it is not there.

    Raises MeshError for a directory that holds something else, so that no one's home or /tmp
    becomes a state directory by a slip.
    """
    directory = directory.absolute()
    lock = directory / _LOCK
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not lock.exists():
            if any(directory.iterdir()):
                raise MeshError(
                    f"{directory} is not empty and is no state directory; name another one"
                )
            directory.chmod(0o700)
            lock.touch(mode=0o600)
    except OSError as error:
        raise MeshError(f"{directory} cannot be the state directory: {error}") from error
    return directory


class DirectoryLock:
    """Holds a state directory while it is open. The system lets go if the holder dies.

    Raises MeshError if another process holds it.
    """

    def __init__(self, directory: Path) -> None:
        self._file = os.open(directory / _LOCK, os.O_RDWR)  # not inherited by children
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise MeshError(
                f"a mesh runs in {directory} already (process {holder or 'unknown'}); "
                "stop it, or name another directory with --state"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Lets go. May be called again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
