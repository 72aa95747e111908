"""Self-signed certificates, as WeChat Pay's platform certificates carry its older keys."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.unit.donations.platforms.senders import key


def certificate_pem(key_name: str, valid_from: datetime, valid_until: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tenpay.com sign")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key(key_name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_until)
        .sign(key(key_name), SHA256())
        .public_bytes(Encoding.PEM)
    )


def serial_of(pem: bytes) -> str:
    """The serial as Wechatpay-Serial writes it."""
    return f"{x509.load_pem_x509_certificate(pem).serial_number:X}"
