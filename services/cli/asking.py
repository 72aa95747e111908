"""How commands ask the services of a mesh, over mTLS: the one on this machine, or one elsewhere."""

import os.path
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.cli.mesh_file import MeshFile
from services.runtime.channel import OPTIONS
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role
from services.runtime.status import fault_from_rpc_error
from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.state import MeshState

_LOCAL_NAME = "local"
"""Of the certificates, one of each role, that every mesh on this machine has."""

_WRITER = "writer"
"""The health name that is SERVING on the one ledger that writes."""

_LOOK_S = 3.0
_AWAY = (Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED)


@dataclass(frozen=True)
class Door:
    """Where a service is asked, at least one address, and with what, in PEM."""

    service: str
    addresses: Sequence[str]
    ca: bytes
    certificate: bytes
    key: bytes = field(repr=False)

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        """For a channel."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)

    def address(self) -> str:
        """The address to ask: of several processes the one that writes; if none says so, the first
        that answers: it serves readings. Raises Fault(DEPENDENCY_UNAVAILABLE) if none answers.
        """
        return self.addresses[0] if len(self.addresses) == 1 else _chosen(self)


def door_of(mesh: Path, service: str, role: str = "operator", person: str | None = None) -> Door:
    """The door to a service of a mesh.

    mesh: the state directory of one that runs here, or the file of one elsewhere (mesh_file.py).
    role, person: as whom one asks here, "operator", "finance" or "partner", by default under the
    name "local". Elsewhere it is as whom the file's certificate says, and a person that is given
    must be that. Raises MeshError if no mesh runs there or the file is not as it must be.
    """
    if is_elsewhere(mesh):
        return _elsewhere(mesh, service, role, person)
    return _here(mesh, service, role, person)


@contextmanager
def asking(
    mesh: Path, service: str, role: str = "operator", person: str | None = None
) -> Iterator[grpc.Channel]:
    """A channel to a service of a mesh, through its door, for as long as the block.

    Raises MeshError as `door_of` does, and the Fault of a call that fails in the block.
    """
    door = door_of(mesh, service, role, person)
    address = door.address()
    with grpc.secure_channel(address, door.credentials, options=OPTIONS) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise _located(fault_from_rpc_error(error), service, address) from error


def is_elsewhere(mesh: Path) -> bool:
    """Whether it is the file of a mesh elsewhere, where one's own certificate says who one is."""
    return mesh.suffix == ".toml" or os.path.isfile(mesh)


def _here(state: Path, service: str, role: str, person: str | None) -> Door:
    mesh = MeshState.load(state)
    return Door(service, [mesh.address(service)], *mesh.credentials(role, person or _LOCAL_NAME))


def _elsewhere(file: Path, service: str, role: str, person: str | None) -> Door:
    mesh = MeshFile(file)
    addresses = mesh.addresses(service)
    own = mesh.client_certificate()
    if person is not None and own.caller != (wanted := Caller(Role(role), person)):
        how = f"--as {person} asks" if wanted.role is Role.FINANCE else "this asks"
        raise MeshError(
            f"{how} as {wanted}, and the certificate that {file} names is of {own.caller}; "
            f"name the file of {wanted} with --mesh"
        )
    return Door(service, addresses, mesh.authority(), own.certificate, own.key)


def _chosen(door: Door) -> str:
    answering: list[str] = []
    away: list[str] = []
    for address in door.addresses:
        try:
            if _writes(address, door.credentials):
                return address
        except grpc.RpcError as error:
            fault = fault_from_rpc_error(error)
            if fault.reason in _AWAY:
                away.append(f"{address}: {fault.message}")
                continue
            # It answers, and what it has against the caller the call itself is told.
        answering.append(address)
    if not answering:
        raise Fault(Reason.DEPENDENCY_UNAVAILABLE, f"{door.service} at {'; at '.join(away)}")
    return answering[0]


def _writes(address: str, credentials: grpc.ChannelCredentials) -> bool:
    with grpc.secure_channel(address, credentials, options=OPTIONS) as channel:
        request = health_pb2.HealthCheckRequest(service=_WRITER)
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_LOOK_S)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _located(fault: Fault, service: str, address: str) -> Fault:
    """Says of a service that is away where it was looked for."""
    if fault.reason is not Reason.DEPENDENCY_UNAVAILABLE:
        return fault
    message = f"{service} at {address}: {fault.message}"
    return Fault(fault.reason, message, retry_after=fault.retry_after, **fault.metadata)
