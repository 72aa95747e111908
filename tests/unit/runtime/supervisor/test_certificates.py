"""The development authority: what its certificates say, and who accepts them."""

import ipaddress
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority
from services.runtime.supervisor.errors import MeshError
from tests.support.clock import FixedClock

DONATIONS = Caller(Role.SERVICE, "donations")
ALIPAY = Caller(Role.PARTNER, "alipay")


def load(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_a_service_is_named_by_uri_and_by_where_it_serves(tmp_path: Path) -> None:
    certificate = load(Authority(tmp_path).issue(DONATIONS).certificate_file)
    found = names(certificate)
    assert found.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://watersmeet/service/donations"
    ]
    assert found.get_values_for_type(x509.DNSName) == ["localhost", "donations"]
    assert ipaddress.ip_address("127.0.0.1") in found.get_values_for_type(x509.IPAddress)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_a_partner_can_call_and_not_serve(tmp_path: Path) -> None:
    certificate = load(Authority(tmp_path).issue(ALIPAY).certificate_file)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert names(certificate).get_values_for_type(x509.DNSName) == []


def test_the_chain_verifies_against_its_own_authority_only(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    files = ours.issue(DONATIONS)

    def verify(authority_file: Path) -> None:
        policy = PolicyBuilder().store(Store([load(authority_file)]))
        verifier = policy.build_server_verifier(x509.DNSName("localhost"))
        verifier.verify(load(files.certificate_file), [])

    verify(files.ca_file)
    with pytest.raises(VerificationError):
        verify(theirs.issue(DONATIONS).ca_file)


def test_the_authority_and_what_it_issued_stay(tmp_path: Path) -> None:
    first = Authority(tmp_path).issue(ALIPAY)
    authority, certificate = first.ca_file.read_bytes(), first.certificate_file.read_bytes()
    again = Authority(tmp_path).issue(ALIPAY)
    assert (again.ca_file.read_bytes(), again.certificate_file.read_bytes()) == (
        authority,
        certificate,
    )
    assert Authority(tmp_path).issue(ALIPAY, renew=True).certificate_file.read_bytes() != (
        certificate
    )


def test_a_certificate_that_ends_soon_is_renewed(tmp_path: Path) -> None:
    clock = FixedClock(datetime(2019, 9, 5, tzinfo=UTC))
    authority = Authority(tmp_path, clock=clock)
    until = load(authority.issue(ALIPAY).certificate_file).not_valid_after_utc
    clock.set(until - timedelta(days=31))
    assert load(authority.issue(ALIPAY).certificate_file).not_valid_after_utc == until
    clock.set(until - timedelta(days=29))
    assert load(authority.issue(ALIPAY).certificate_file).not_valid_after_utc > until


def test_keys_are_private_from_the_start(tmp_path: Path) -> None:
    Authority(tmp_path).issue(ALIPAY)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "Alipay", "a/b", "../ca", "支付宝", "a" * 65])
def test_a_name_that_no_identity_has_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MeshError, match="is no name"):
        Authority(tmp_path).issue(Caller(Role.PARTNER, name))


def test_issued_lists_what_was_issued(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue(DONATIONS)
    authority.issue(ALIPAY)
    assert [issued.caller for issued in authority.issued()] == [ALIPAY, DONATIONS]
