"""A caller's own certificate and its key, from files that it names itself."""

import os
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.runtime.errors import Fault
from services.runtime.identity import Caller, parse_spiffe
from services.runtime.supervisor.errors import MeshError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class ClientCertificate:
    """PEM of a certificate and of its key, and whom it names."""

    caller: Caller
    certificate: bytes
    key: bytes = field(repr=False)


def read_client_certificate(certificate_file: Path, key_file: Path) -> ClientCertificate:
    """Reads both, and holds one to the other: gRPC says of a pair that does not fit only that no
    connection comes about. Raises MeshError, which quotes nothing of the key.
    """
    pem = read(certificate_file)
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise MeshError(f"{certificate_file} holds no certificate in PEM") from error
    caller = caller_in(pem)
    if caller is None:
        raise MeshError(
            f"{certificate_file} names no caller of a mesh; it needs one URI, "
            "spiffe://<trust domain>/finance/<name> say"
        )
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise MeshError(
            f"{certificate_file} ended on {certificate.not_valid_after_utc.date()}; "
            "ask the mesh's operator for another"
        )
    key = _read_key(key_file)
    if _load(key_file, key).public_key() != certificate.public_key():
        raise MeshError(f"{key_file} is not the key of {certificate_file}")
    return ClientCertificate(caller, pem, key)


def caller_in(certificate: bytes) -> Caller | None:
    """Whom a certificate in PEM names, in whatever trust domain; None if it names no caller."""
    try:
        extensions = x509.load_pem_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        [uri] = names.get_values_for_type(x509.UniformResourceIdentifier)
        return parse_spiffe(uri, uri.removeprefix("spiffe://").partition("/")[0])
    except (ValueError, x509.ExtensionNotFound, Fault):
        return None


def read(file: Path) -> bytes:
    """What is in a file. Raises MeshError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise MeshError(f"{file} cannot be read: {error.strerror}") from error


def _read_key(file: Path) -> bytes:
    """Raises MeshError also for a key that is not its owner's alone."""
    try:
        with file.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & _OTHERS:
                raise MeshError(
                    f"{file} is a key, and others on this machine may use its file; "
                    f"make it yours alone: chmod 600 {file}"
                )
            return opened.read()
    except OSError as error:
        raise MeshError(f"{file} cannot be read: {error.strerror}") from error


def _load(file: Path, key: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(key, password=None)
    except TypeError as error:
        raise MeshError(f"{file} is locked with a password; the command takes none") from error
    except (ValueError, UnsupportedAlgorithm):
        # The cause says how far the reading came, and stays here.
        raise MeshError(f"{file} holds no private key in PEM") from None
