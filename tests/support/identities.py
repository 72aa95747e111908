"""Certificates for tests, in the shapes that tests need them in."""

from pathlib import Path

import grpc

from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority


class Certificates:
    """What `authority` issues, ready for settings and channels. Issued once a name."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority

    def settings_for(self, role: str, name: str) -> dict[str, Path]:
        """certificate_file, key_file and ca_file, as ServerSettings and TlsSettings take them."""
        files = self.authority.issue(Caller(Role(role), name))
        return {
            "certificate_file": files.certificate_file,
            "key_file": files.key_file,
            "ca_file": files.ca_file,
        }

    def channel_credentials(self, role: str, name: str) -> grpc.ChannelCredentials:
        """A caller's credentials for grpc.aio.secure_channel."""
        files = self.authority.issue(Caller(Role(role), name))
        return grpc.ssl_channel_credentials(
            root_certificates=files.ca_file.read_bytes(),
            private_key=files.key_file.read_bytes(),
            certificate_chain=files.certificate_file.read_bytes(),
        )
