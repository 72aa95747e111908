"""Signatures by private keys, in base64: SHA256withRSA (PKCS#1 v1.5) and Ed25519.

Verifying uses public values only, so nothing here has to run in constant time.
"""

import binascii
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

_KEY_MIN_BITS = 2048
_PADDING, _HASH = PKCS1v15(), SHA256()
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A platform's public key; one from a certificate has a serial and holds for a time only."""

    key: RSAPublicKey
    serial: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    @classmethod
    def from_pem(cls, pem: bytes) -> "Verifier":
        """Reads a PEM public key or certificate. Raises ValueError if it holds no such RSA key."""
        if _CERTIFICATE in pem:
            certificate = x509.load_pem_x509_certificate(pem)
            return cls(
                _rsa(certificate.public_key()),
                certificate.serial_number,
                certificate.not_valid_before_utc,
                certificate.not_valid_after_utc,
            )
        return cls(_rsa(load_pem_public_key(pem)))

    def holds(self, now: datetime) -> bool:
        """Whether the key may be used at this moment."""
        return (self.valid_from is None or self.valid_from <= now) and (
            self.valid_until is None or now <= self.valid_until
        )

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        """Whether signature, in base64, is this key's over signed."""
        raw = _decoded(signature)
        if raw is None:
            return False
        try:
            self.key.verify(raw, signed, _PADDING, _HASH)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Ed25519Verifier:
    """A partner's public key."""

    key: Ed25519PublicKey

    @classmethod
    def from_pem(cls, pem: bytes) -> "Ed25519Verifier":
        """Reads a PEM public key. Raises ValueError if it is no Ed25519 key."""
        key = load_pem_public_key(pem)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not an Ed25519 key")  # noqa: TRY004 the file is wrong, not its type
        return cls(key)

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        """Whether signature, in base64, is this key's over signed."""
        raw = _decoded(signature)
        if raw is None:
            return False
        try:
            self.key.verify(raw, signed)
        except InvalidSignature:
            return False
        return True


def _decoded(signature: bytes) -> bytes | None:
    """The signature's bytes; None if it is not base64, or another spelling of what it says."""
    try:
        raw = binascii.a2b_base64(signature)
    except binascii.Error:
        return None
    # It skips what is no base64, which has unused bits at its end, too: one signature has one
    # spelling.
    return raw if binascii.b2a_base64(raw, newline=False) == signature else None


def _rsa(key: object) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 the file is wrong, not its type
    if key.key_size < _KEY_MIN_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits; at least {_KEY_MIN_BITS} are needed")
    return key
