"""How commands ask the services of a running mesh: as the local operator, over mTLS."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from services.runtime.channel import TRANSPORT_BYTES_MAX
from services.runtime.status import fault_from_rpc_error
from services.runtime.supervisor.state import MeshState


@contextmanager
def asking(
    state: Path, service: str, role: str = "operator", name: str = "local"
) -> Iterator[grpc.Channel]:
    """A channel to a service of the mesh that runs in a state directory, for as long as the block.

    role, name: as whom one asks, "operator" or "finance"; each mesh has a "local" of both.
    Raises MeshError if no mesh runs there, and the Fault of a call that fails in the block.
    """
    mesh = MeshState.load(state)
    ca, certificate, key = mesh.credentials(role, name)
    credentials = grpc.ssl_channel_credentials(ca, key, certificate)
    options = (
        ("grpc.max_receive_message_length", TRANSPORT_BYTES_MAX),
        ("grpc.enable_http_proxy", 0),  # it is on this machine
    )
    with grpc.secure_channel(mesh.address(service), credentials, options=options) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise fault_from_rpc_error(error) from error
