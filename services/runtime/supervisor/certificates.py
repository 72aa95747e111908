"""A development certificate authority, and the certificates of a local mesh.

Not for production: the authority's key lies beside the certificates. A real mesh gets certificates
with the same SPIFFE URIs from its own authority.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.runtime.clock import Clock, system_clock
from services.runtime.errors import Fault
from services.runtime.identity import Caller, Role, parse_spiffe
from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.files import write_private

_AUTHORITY_VALID = timedelta(days=3650)
_CERTIFICATE_VALID = timedelta(days=365)
# One that has less time left is issued anew.
_RENEW_BEFORE = timedelta(days=30)
# Other machines' clocks may be a little behind ours.
_BACKDATED = timedelta(hours=1)


@dataclass(frozen=True)
class CertificateFiles:
    """PEM files: a certificate, its key, and the authority's certificate."""

    certificate_file: Path
    key_file: Path
    ca_file: Path


@dataclass(frozen=True)
class Issued:
    """A certificate that the authority has issued."""

    caller: Caller
    not_after: datetime
    files: CertificateFiles


def certificate_files(directory: Path, caller: Caller) -> CertificateFiles:
    """Where an authority in `directory` keeps a caller's certificate. Touches no file."""
    stem = f"{caller.role}-{caller.name}"
    return CertificateFiles(
        certificate_file=directory / f"{stem}.crt",
        key_file=directory / f"{stem}.key",
        ca_file=directory / "ca.crt",
    )


class Authority:
    """The authority of one trust domain, kept in a directory. Makes itself if it is not there."""

    def __init__(
        self, directory: Path, *, trust_domain: str = "watersmeet", clock: Clock = system_clock
    ) -> None:
        self._directory = directory
        self._trust_domain = trust_domain
        self._clock = clock
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate_file, key_file = directory / "ca.crt", directory / "ca.key"
        if not certificate_file.exists():
            self._make(certificate_file, key_file)
        self._certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        self._key = _load_key(key_file)

    def issue(self, caller: Caller, *, renew: bool = False) -> CertificateFiles:
        """The caller's certificate: issued now if there is none, if it ends within 30 days, or if
        `renew` says so. A service's is good for serving on localhost and for calling; the others
        are good for calling only. Raises MeshError for a name that no identity can have.
        """
        uri = caller.spiffe(self._trust_domain)
        try:
            parse_spiffe(uri, self._trust_domain)
        except Fault as fault:
            raise MeshError(
                f"{caller.name!r} is no name: it needs 1 to 64 of a-z, 0-9, '.', '_' and '-'"
            ) from fault
        files = certificate_files(self._directory, caller)
        if renew or not self._is_good(files):
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = self._sign(caller, uri, key.public_key())
            write_private(files.key_file, _key_pem(key))
            write_private(files.certificate_file, _pem(certificate))
        return files

    def issued(self) -> list[Issued]:
        """Every certificate in the directory, by role and name."""
        found = []
        for file in sorted(self._directory.glob("*-*.crt")):
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            for uri in names.value.get_values_for_type(x509.UniformResourceIdentifier):
                caller = parse_spiffe(uri, self._trust_domain)
                files = certificate_files(self._directory, caller)
                found.append(Issued(caller, certificate.not_valid_after_utc, files))
        return found

    def _is_good(self, files: CertificateFiles) -> bool:
        if not (files.certificate_file.exists() and files.key_file.exists()):
            return False
        certificate = x509.load_pem_x509_certificate(files.certificate_file.read_bytes())
        return certificate.not_valid_after_utc - self._clock() > _RENEW_BEFORE

    def _sign(
        self, caller: Caller, uri: str, public_key: ec.EllipticCurvePublicKey
    ) -> x509.Certificate:
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if caller.role is Role.SERVICE:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names += [
                x509.DNSName("localhost"),
                x509.DNSName(caller.name),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                x509.IPAddress(ipaddress.ip_address("::1")),
            ]
        return (
            self._builder(_name(str(caller)), public_key, _CERTIFICATE_VALID)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )

    def _make(self, certificate_file: Path, key_file: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"{self._trust_domain} development authority")
        certificate = (
            self._builder(name, key.public_key(), _AUTHORITY_VALID)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        # The certificate last: where it is, the key is too.
        write_private(key_file, _key_pem(key))
        write_private(certificate_file, _pem(certificate))

    def _builder(
        self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, valid: timedelta
    ) -> x509.CertificateBuilder:
        now = self._clock()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + valid)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )


def _name(common_name: str) -> x509.Name:
    # A common name has a limit of 64 characters; who it is says the URI.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise MeshError(f"{file} holds no key on an elliptic curve; remove the directory it is in")
    return key


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
