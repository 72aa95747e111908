"""Meshes for tests: stand-ins for the services, and a look at which processes there are.

`python -m tests.support.meshes DIRECTORY` runs a mesh of stand-ins until it is ended.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from services.runtime.supervisor.mesh import Mesh
from services.runtime.supervisor.services import Service, Stages

_STAND_IN = str(Path(__file__).with_name("stand_in.py"))


def stand_ins(*, database: bool = False, fault: str = "") -> Stages:
    """The three services as processes that only run. fault: what is wrong with the gateway."""

    def command(name: str, *fault: str) -> tuple[str, ...]:
        return (sys.executable, "-P", _STAND_IN, name, *fault)

    return (
        (
            Service("ledger", ("donations",), has_database=database, command=command("ledger")),
            Service("donations", ("ledger",), command=command("donations")),
        ),
        (Service("gateway", ("ledger",), has_http=True, command=command("gateway", fault)),),
    )


def processes_of(directory: Path) -> dict[int, str]:
    """Every process that has to do with a state directory, by its command line: it is named there
    or in its environment, or the process works in it."""
    needle, found = os.fsencode(directory), {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            place = os.fsencode(os.readlink(entry / "cwd"))
            words = b"\0".join((command, (entry / "environ").read_bytes(), place))
        except OSError:
            continue  # it has ended, or is another user's
        if needle in words:
            found[int(entry.name)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
    return found


def environment_of(pid: int) -> dict[str, str]:
    """The environment that a process was started with."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    pairs = (os.fsdecode(variable).partition("=") for variable in variables)
    return {key: value for key, _, value in pairs}


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Waits for a condition in another process. Fails the test if it does not come true."""
    give_up = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up, f"not so after {timeout_s:.0f} s"
        time.sleep(0.02)


async def _run(directory: Path) -> None:
    async with Mesh(directory, stages=stand_ins(database=True)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
