"""The state directory: private, never someone else's, one mesh's at a time."""

import stat
from pathlib import Path

import pytest

from services.runtime.supervisor.directory import DirectoryLock, open_directory
from services.runtime.supervisor.errors import MeshError


def test_it_is_made_private(tmp_path: Path) -> None:
    directory = open_directory(tmp_path / "a b" / "state")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert open_directory(directory) == directory


def test_an_empty_directory_becomes_private(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir(mode=0o755)
    assert stat.S_IMODE(open_directory(given).stat().st_mode) == 0o700


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear …")
    before = tmp_path.stat().st_mode
    with pytest.raises(MeshError, match="is no state directory"):
        open_directory(tmp_path)
    assert tmp_path.stat().st_mode == before


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(MeshError, match="cannot be the state directory"):
        open_directory(file)


def test_it_is_held_by_one(tmp_path: Path) -> None:
    directory = open_directory(tmp_path / "state")
    with DirectoryLock(directory), pytest.raises(MeshError, match=r"already \(process \d+\)"):
        DirectoryLock(directory)
    DirectoryLock(directory).close()
