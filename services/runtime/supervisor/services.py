"""The services of the mesh: which there are, and what each is told in its environment."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from services.runtime.supervisor.certificates import CertificateFiles
from services.runtime.supervisor.databases import DatabaseUrls
from services.runtime.supervisor.ports import ReservedPort


@dataclass(frozen=True)
class Service:
    """One service. Its settings are environment variables that begin WATERSMEET_<NAME>_.

    calls: the services whose addresses it is told.
    has_database, has_http: whether it has tables; whether it serves HTTP besides gRPC.
    command: what runs it; `python -m services.<name>` if empty.
    """

    name: str
    calls: tuple[str, ...] = ()
    has_database: bool = False
    has_http: bool = False
    command: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """What the names of its environment variables begin with."""
        return f"WATERSMEET_{self.name.upper()}_"

    def command_line(self) -> tuple[str, ...]:
        """The program and its arguments."""
        # -P: a folder `services` where the user happens to be is not ours.
        return self.command or (sys.executable, "-P", "-m", f"services.{self.name}")


Stages = tuple[tuple[Service, ...], ...]
"""Each stage starts when the one before it is healthy; services of one stage start together."""

STAGES: Stages = (
    (
        Service("ledger", calls=("donations",), has_database=True),
        Service("donations", calls=("ledger",), has_database=True),
    ),
    (Service("gateway", calls=("ledger", "donations"), has_http=True),),
)


@dataclass
class ServicePorts:
    """The ports that are kept for a service."""

    grpc: ReservedPort
    metrics: ReservedPort
    http: ReservedPort | None

    @classmethod
    def reserve(cls, service: Service) -> "ServicePorts":
        """Takes free ones."""
        http = ReservedPort() if service.has_http else None
        return cls(ReservedPort(), ReservedPort(), http)

    def close(self) -> None:
        """Gives them up."""
        for port in (self.grpc, self.metrics, self.http):
            if port is not None:
                port.close()


def environment_of(
    service: Service,
    ports: Mapping[str, ServicePorts],
    certificate: CertificateFiles,
    database: DatabaseUrls | None,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """All of a service's environment: the user's, without the other services' settings, and ours.

    ports: by service name, of all services. database: None if it has none, or if the user's
    environment names one. extra: further settings, without the prefix.
    """
    own = ports[service.name]
    settings = {
        "LISTEN": own.grpc.address,
        "METRICS_LISTEN": own.metrics.address,
        "CERTIFICATE_FILE": str(certificate.certificate_file),
        "KEY_FILE": str(certificate.key_file),
        "CA_FILE": str(certificate.ca_file),
        **{f"{other.upper()}_ADDRESS": ports[other].grpc.address for other in service.calls},
        **extra,
    }
    if own.http is not None:
        settings["HTTP_LISTEN"] = own.http.address
    if database is not None:
        settings["DATABASE_URL"] = database.service
        settings["MIGRATION_DATABASE_URL"] = database.owner
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("WATERSMEET_") or key.startswith(service.prefix)
    }
    return inherited | {service.prefix + key: value for key, value in settings.items()}
