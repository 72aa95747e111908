"""`watersmeet verify` as a process: what it says with its exit status, whoever listens."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.verifying.archives import write_sample


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "archive")


def run(archive: Path, redirected: str = "", words: Sequence[str] = ()) -> tuple[int, str, str]:
    """Exit status, and what is printed. redirected: as a shell understands it."""
    program = Path(sys.executable).with_name("watersmeet")
    command = ["sh", "-c", f'"$0" verify "$@" {redirected}', program, archive, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_who_closed_what_it_prints_to_has_the_status(archive: Path, redirected: str) -> None:
    assert run(archive, redirected)[0] == 0
    (archive / "keys.txt").write_text("none\n")
    assert run(archive, redirected)[0] == 1


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_reader_who_goes_is_no_error_to_tell(archive: Path, words: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = Path(sys.executable).with_name("watersmeet")
    command = [program, "verify", archive, *words]
    with open(writing, "wb") as gone:
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_disk_is_told(archive: Path) -> None:
    assert run(archive, ">/dev/full", ["--json"]) == (
        1,
        "",
        "watersmeet: [Errno 28] No space left on device\n",
    )


_INTERRUPTED = """
import os, signal, sys
from services.cli import main, verify
from services.cli.verifying import verification
signal.signal(signal.SIGINT, signal.default_int_handler)
verification.verify = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)
sys.argv[1:1] = ["verify"]
main.main()
"""


def test_ctrl_c_is_not_taken_for_a_finding(archive: Path) -> None:
    command = [sys.executable, "-c", _INTERRUPTED, archive]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (
        128 + signal.SIGINT,
        "",
        "Aborted.\n",
    )
