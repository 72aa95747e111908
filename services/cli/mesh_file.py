"""The file of a mesh elsewhere: where it is asked, and with which certificate.

    authority = "ca.crt"
    certificate = "finance-anna.crt"
    key = "finance-anna.key"

    [addresses]
    donations = "donations.example.org:50051"
    ledger = "ledger-1.example.org:50051, ledger-2.example.org:50051"
    gateway = "gateway.example.org:50051"

Paths are relative to the file. Of several addresses any may answer (asking.py).
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cryptography import x509
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from services.cli.client_certificate import ClientCertificate, read, read_client_certificate
from services.runtime.settings import Addresses, split_addresses
from services.runtime.supervisor.errors import MeshError


def _path(text: str) -> str:
    if not text or not text.isprintable() or text.startswith("-----"):
        # Perhaps the key itself, so it is not quoted.
        raise ValueError("name a file; what it holds does not belong here")
    return text


_FilePath = Annotated[str, AfterValidator(_path)]


class _Addresses(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    donations: Addresses | None = None
    ledger: Addresses | None = None
    gateway: Addresses | None = None


class _Content(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    authority: _FilePath
    certificate: _FilePath
    key: _FilePath
    addresses: _Addresses


class MeshFile:
    """A mesh elsewhere, as a file tells of it."""

    def __init__(self, file: Path) -> None:
        """Reads the file, and none of those that it names. Raises MeshError."""
        self._file = file
        self._content = _read(file)

    def addresses(self, service: str) -> list[str]:
        """host:port of each of a service's processes. Raises MeshError if the file has none."""
        named: Mapping[str, str | None] = self._content.addresses.model_dump()
        addresses = named[service]
        if addresses is None:
            raise MeshError(
                f"{self._file} does not say where {service} is; "
                f'add {service} = "host:port" to its [addresses]'
            )
        return split_addresses(addresses)

    def authority(self) -> bytes:
        """PEM of the authority's certificate. Raises MeshError."""
        file = self._path(self._content.authority)
        pem = read(file)
        try:
            x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            raise MeshError(f"{file} holds no certificate in PEM") from error
        return pem

    def client_certificate(self) -> ClientCertificate:
        """As whom one asks. Raises MeshError."""
        content = self._content
        return read_client_certificate(self._path(content.certificate), self._path(content.key))

    def _path(self, stated: str) -> Path:
        return self._file.parent / stated


def _read(file: Path) -> _Content:
    try:
        return _Content.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise MeshError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MeshError(f"{file} is no TOML file: {error}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))
        what = problem["msg"].removeprefix("Value error, ")
        # Without the cause: it quotes what the file says.
        raise MeshError(f"{file}: {place}: {what}") from None
