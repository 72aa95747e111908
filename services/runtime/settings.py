"""What a service is told from outside, by environment variables alone.

Each service has one subclass with its own prefix:

    class Settings(ServerSettings, DatabaseSettings):
        model_config = SettingsConfigDict(env_prefix="WATERSMEET_LEDGER_")

so that `Settings.from_environment()` reads `listen` from WATERSMEET_LEDGER_LISTEN. A new setting
needs a usable default.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings


def split_address(address: str) -> tuple[str, int]:
    """ "127.0.0.1:50051" or "[::1]:50051" as host and port. Raises ValueError for anything else."""
    host, colon, port = address.rpartition(":")
    is_host = bool(host) and host.isprintable() and not set(host) & set(" /")
    if not colon or not is_host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{address!r} is no address; write host:port")
    return host.strip("[]"), int(port)


def _checked(address: str) -> str:
    split_address(address)
    return address


def split_addresses(addresses: str) -> list[str]:
    """ "a:1,b:2" as its parts. Raises ValueError if one of them is no address."""
    return [_checked(address.strip()) for address in addresses.split(",")]


def _all_checked(addresses: str) -> str:
    split_addresses(addresses)
    return addresses


Address = Annotated[str, AfterValidator(_checked)]
"""host:port; port 0 lets the system choose where one listens."""

Addresses = Annotated[str, AfterValidator(_all_checked)]
"""One host:port or several with commas between: servers of one service, the first used first."""


class TlsSettings(BaseSettings):
    """This process's certificate, for what it serves and for what it calls.

    The files are PEM. Certificates are verified against ca_file in both directions.
    """

    certificate_file: Path
    key_file: Path
    ca_file: Path

    @classmethod
    def from_environment(cls) -> Self:
        """Reads every setting. Raises pydantic.ValidationError, which names what is wrong."""
        return cls()  # type: ignore[call-arg]  # the environment is where the arguments are


class ServerSettings(TlsSettings):
    """What every server needs."""

    listen: Address = "127.0.0.1:0"
    metrics_listen: Address = "127.0.0.1:0"
    trust_domain: str = "watersmeet"
    # The longest that a unary call may take, where its client does not ask for less.
    call_timeout_s: float = Field(default=30.0, gt=0)
    # How long calls in flight are waited for when the server stops.
    drain_s: float = Field(default=10.0, gt=0)
    # Calls served at once, streams included; one more is refused with QUEUE_FULL.
    max_concurrent_calls: int = Field(default=1_000, gt=0)
    # quotas.toml: what each partner may send; without it, what quotas/table.py says.
    quotas_file: Path | None = None
    # Fingerprints of certificates that are withdrawn before their time (denied.py).
    denied_certificates_file: Path | None = None
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


class DatabaseSettings(BaseSettings):
    """What a service with tables needs besides. A mixin for ServerSettings.

    database_url: postgresql://role:password@host:port/database, with the service's own role.
    migration_database_url: the same database with the role that owns the tables.
    """

    database_url: SecretStr
    migration_database_url: SecretStr | None = None
    pool_size: int = Field(default=8, gt=0, le=100)

    @property
    def migration_url(self) -> SecretStr:
        """Where migrations run: migration_database_url, or database_url if there is none."""
        return self.migration_database_url or self.database_url
