"""Calls to other services of the mesh."""

import grpc

from services.runtime.settings import TlsSettings

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
"""The largest message that a server of the mesh accepts (MESSAGE_TOO_LARGE beyond)."""

TRANSPORT_BYTES_MAX = 16 * 1024 * 1024
"""The largest message that the transport carries, so that what is too large can be told so."""

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", TRANSPORT_BYTES_MAX),
    ("grpc.max_receive_message_length", TRANSPORT_BYTES_MAX),
    # A peer that vanished without a word is noticed within half a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Services restart in any order: ask again soon, but not in step.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # The mesh is not reached through a proxy that the environment names for the world outside.
    ("grpc.enable_http_proxy", 0),
    # Retries are the callers' business: they know which ids make a call safe to repeat.
    ("grpc.enable_retries", 0),
)
"""Of every channel to a service of the mesh."""


def open_channel(address: str, settings: TlsSettings) -> grpc.aio.Channel:
    """A channel with mutual TLS to host:port. Connects on first use; close it when done.

    The server's certificate must be of the mesh's authority and name the host. Failed calls raise
    grpc.aio.AioRpcError; `status.fault_from_rpc_error` says what it was about. Give every call a
    timeout. Raises OSError if a certificate file cannot be read.
    """
    credentials = grpc.ssl_channel_credentials(
        root_certificates=settings.ca_file.read_bytes(),
        private_key=settings.key_file.read_bytes(),
        certificate_chain=settings.certificate_file.read_bytes(),
    )
    return grpc.aio.secure_channel(address, credentials, options=OPTIONS)
