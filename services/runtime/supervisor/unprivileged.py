"""Someone whom PostgreSQL agrees to run as: it refuses root, and users without a name."""

import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.runtime.supervisor.errors import MeshError

_TRIAL_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class RunAs:
    """How to run a command as someone PostgreSQL agrees to.

    prefix: what goes before the command.
    owner: the user id that has to own the server's files.
    """

    prefix: tuple[str, ...]
    owner: int

    def own(self, data: Path) -> None:
        """Gives a directory and all in it to the owner, if it is another's and we are root."""
        if os.geteuid() != 0 or data.stat().st_uid == self.owner:
            return
        for folder, folders, files in os.walk(data):
            for name in (*folders, *files):
                os.chown(Path(folder, name), self.owner, -1, follow_symlinks=False)
        os.chown(data, self.owner, -1)


def run_as(death_signal: signal.Signals) -> RunAs:
    """The first way that works here: as we are, in a user namespace, or as another user.

    death_signal: as in Process; a change of user would take it off. Raises MeshError.
    """
    us = os.geteuid()
    names = {entry.pw_uid: entry.pw_gid for entry in pwd.getpwall() if entry.pw_uid != 0}
    if us in names:
        return RunAs((), us)
    if names:
        user, group = min(names.items())
        for way in (_namespace(us, user, group), _other_user(us, user, group, death_signal)):
            if way is not None and _works(way):
                return way
    raise MeshError(
        f"PostgreSQL does not run as {'root' if us == 0 else f'user {us}, who has no name'}, and "
        "this system allows neither a user namespace (unshare) nor a change of user (setpriv); run "
        "this as an ordinary user, or name servers in WATERSMEET_{DONATIONS,LEDGER}_DATABASE_URL"
    )


def _namespace(us: int, user: int, group: int) -> RunAs | None:
    """In a user namespace we have another id, and nothing needs another owner or mode."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    return RunAs((unshare, "--user", f"--map-user={user}", f"--map-group={group}"), us)


def _other_user(us: int, user: int, group: int, death_signal: signal.Signals) -> RunAs | None:
    """Root in a container may not make namespaces, and can become someone else.

    That user owns the data, and keeps the right to reach it below our private directories.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None or us != 0:
        return None
    capabilities = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    ids = (f"--reuid={user}", f"--regid={group}", "--clear-groups")
    return RunAs(
        (setpriv, *ids, *capabilities, "--pdeathsig", death_signal.name.removeprefix("SIG")), user
    )


def _works(way: RunAs) -> bool:
    true = shutil.which("true")
    assert true is not None, "no system is without it"
    trial = subprocess.run(  # noqa: S603 - our own command
        (*way.prefix, true), capture_output=True, check=False, timeout=_TRIAL_TIMEOUT_S
    )
    return trial.returncode == 0
