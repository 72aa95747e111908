"""What a running local mesh tells its clients, through its state directory."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import certificate_files
from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.files import write_private

_FILE = "mesh.json"


@dataclass(frozen=True)
class ServiceAddresses:
    """Where a service listens: host:port each; http only where it serves HTTP."""

    address: str
    metrics: str
    http: str | None = None


@dataclass(frozen=True)
class MeshState:
    """A mesh that runs in `directory`, as its mesh.json says. The file is there while it does."""

    directory: Path
    pid: int
    trust_domain: str
    services: Mapping[str, ServiceAddresses] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path) -> "MeshState":
        """Reads the state directory. Raises MeshError if no mesh runs there."""
        directory = directory.absolute()
        try:
            stored = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise MeshError(
                f"no mesh runs in {directory}; start one with `watersmeet up`, or name another: "
                "its directory with --state, or the file of one elsewhere with --mesh"
            ) from None
        except OSError as error:
            raise MeshError(f"the mesh's state cannot be read: {error}") from error
        state = cls(
            directory=directory,
            pid=stored["pid"],
            trust_domain=stored["trust_domain"],
            services={
                name: ServiceAddresses(**addresses)
                for name, addresses in stored["services"].items()
            },
        )
        if not _is_alive(state.pid):
            raise MeshError(
                f"the mesh in {directory} was killed (process {state.pid} is gone); "
                "start it again with `watersmeet up`"
            )
        return state

    def save(self) -> None:
        """Writes mesh.json, whole or not at all."""
        services = {
            name: {key: value for key, value in asdict(addresses).items() if value is not None}
            for name, addresses in self.services.items()
        }
        stored = {"pid": self.pid, "trust_domain": self.trust_domain, "services": services}
        write_private(self.directory / _FILE, json.dumps(stored, indent=2) + "\n")

    @staticmethod
    def remove(directory: Path) -> None:
        """Removes mesh.json, if it is there."""
        (directory / _FILE).unlink(missing_ok=True)

    def address(self, service: str) -> str:
        """host:port of a service's gRPC. Raises MeshError if this mesh has no such service."""
        return self._of(service).address

    @property
    def http_url(self) -> str:
        """The gateway's HTTP, without a slash at the end."""
        http = self._of("gateway").http
        if http is None:
            raise MeshError(f"the gateway of the mesh in {self.directory} serves no HTTP")
        return f"http://{http}"

    def credentials(self, role: str, name: str) -> tuple[bytes, bytes, bytes]:
        """PEM of the authority's certificate, a caller's certificate, and its key.

        Raises MeshError if it has none.
        """
        files = certificate_files(self.directory / "certs", Caller(Role(role), name))
        try:
            return (
                files.ca_file.read_bytes(),
                files.certificate_file.read_bytes(),
                files.key_file.read_bytes(),
            )
        except FileNotFoundError:
            raise MeshError(
                f"{role}/{name} has no certificate in {self.directory}; "
                f"make one with `watersmeet certs issue {role} {name}`"
            ) from None

    def _of(self, service: str) -> ServiceAddresses:
        if service not in self.services:
            raise MeshError(
                f"the mesh in {self.directory} has no service {service!r}, "
                f"only {', '.join(sorted(self.services)) or 'none'}"
            )
        return self.services[service]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
