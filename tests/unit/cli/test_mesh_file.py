"""The file of a mesh elsewhere: what it says, and everything that may be odd about it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.cli.client_certificate import caller_in
from services.cli.mesh_file import MeshFile
from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority, CertificateFiles
from services.runtime.supervisor.errors import MeshError

ADDRESSES = """
[addresses]
ledger = "[::1]:50052, ledger-2:50051"
gateway = "gateway:50051"
"""
FILES = """
authority = "ca.crt"
certificate = "finance-anna.crt"
key = "finance-anna.key"
"""
ANNA = Caller(Role.FINANCE, "anna")


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return Authority(tmp_path).issue(ANNA)


def mesh_file(folder: Path, text: str = FILES + ADDRESSES) -> MeshFile:
    file = folder / "mesh.toml"
    file.write_text(text, encoding="utf-8")
    return MeshFile(file)


def test_it_says_where_and_as_whom(tmp_path: Path, files: CertificateFiles) -> None:
    mesh = mesh_file(tmp_path)
    assert mesh.addresses("ledger") == ["[::1]:50052", "ledger-2:50051"]
    assert mesh.addresses("gateway") == ["gateway:50051"]
    assert mesh.authority() == files.ca_file.read_bytes()
    own = mesh.client_certificate()
    assert own.caller == ANNA
    assert own.certificate == files.certificate_file.read_bytes()
    assert own.key == files.key_file.read_bytes()
    assert "PRIVATE" not in repr(own)


def test_paths_may_lead_elsewhere(tmp_path: Path, files: CertificateFiles) -> None:
    text = FILES.replace('"finance', f'"{tmp_path}/finance').replace('"ca', '"../ca') + ADDRESSES
    (tmp_path / "own").mkdir()
    mesh = mesh_file(tmp_path / "own", text)
    assert mesh.client_certificate().caller == ANNA
    assert mesh.authority() == files.ca_file.read_bytes()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("authority = ", "mesh.toml is no TOML file: "),
        (FILES, "mesh.toml: addresses: Field required"),
        (FILES.replace("authority", "ca") + ADDRESSES, "authority: Field required"),
        (FILES + "keys = 1" + ADDRESSES, "keys: Extra inputs are not permitted"),
        (FILES.replace('"ca.crt"', "5") + ADDRESSES, "authority: Input should be a valid string"),
        (FILES.replace("ca.crt", "") + ADDRESSES, "authority: name a file"),
        (FILES + "addresses = 5", "addresses: Input should be"),
        (FILES + ADDRESSES + 'bank = "a:1"', "addresses.bank: Extra inputs"),
        (FILES + "[addresses]\nledger = 50051", "addresses.ledger: Input should be a valid string"),
        *(
            (f'{FILES}[addresses]\nledger = "{wrong}"', "is no address; write host:port")
            for wrong in ("", "ledger", "ledger:", "ledger:http", "https://ledger:1", "a:1,,b:1")
        ),
    ],
)
def test_an_odd_file_is_told(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(MeshError) as caught:
        mesh_file(tmp_path, text)
    assert says in str(caught.value)
    assert str(tmp_path / "mesh.toml") in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match=r"mesh\.toml cannot be read: No such file"):
        MeshFile(tmp_path / "mesh.toml")
    (tmp_path / "mesh.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(MeshError, match=r"mesh\.toml is no TOML file"):
        MeshFile(tmp_path / "mesh.toml")


def test_a_service_without_an_address_is_told(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match='add donations = "host:port" to its'):
        mesh_file(tmp_path).addresses("donations")


def test_a_key_in_the_file_is_not_quoted(tmp_path: Path, files: CertificateFiles) -> None:
    secret = files.key_file.read_text(encoding="utf-8")
    for quotes in ('"""', "'''"):
        text = FILES.replace('"finance-anna.key"', f"{quotes}{secret}{quotes}") + ADDRESSES
        with pytest.raises(MeshError, match="key: name a file") as caught:
            mesh_file(tmp_path, text)
        assert secret.splitlines()[1] not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_may_use_is_refused(
    tmp_path: Path, files: CertificateFiles, mode: int
) -> None:
    files.key_file.chmod(mode)
    with pytest.raises(MeshError, match=r"chmod 600 \S+finance-anna\.key"):
        mesh_file(tmp_path).client_certificate()
    files.key_file.chmod(0o400)
    assert mesh_file(tmp_path).client_certificate().caller == ANNA


def write_key(file: Path, *, password: str | None = None) -> None:
    encryption = (
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption()
    )
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    file.write_bytes(key)


def test_a_key_that_does_not_fit_is_told(tmp_path: Path, files: CertificateFiles) -> None:
    mesh, key = mesh_file(tmp_path), files.key_file
    lines = key.read_text(encoding="utf-8").splitlines()
    key.write_text("\n".join(lines[:2]), encoding="utf-8")
    with pytest.raises(MeshError, match=r"finance-anna\.key holds no private key in PEM") as caught:
        mesh.client_certificate()
    assert lines[1] not in str(caught.value)
    write_key(key, password="willow")
    with pytest.raises(MeshError, match="locked with a password"):
        mesh.client_certificate()
    write_key(key)
    with pytest.raises(MeshError, match=r"key is not the key of \S+finance-anna\.crt"):
        mesh.client_certificate()
    key.unlink()
    with pytest.raises(MeshError, match=r"finance-anna\.key cannot be read: No such file"):
        mesh.client_certificate()


def test_a_certificate_that_is_none_is_told(tmp_path: Path, files: CertificateFiles) -> None:
    mesh = mesh_file(tmp_path)
    files.ca_file.write_text("nothing", encoding="utf-8")
    with pytest.raises(MeshError, match=r"ca\.crt holds no certificate in PEM"):
        mesh.authority()
    files.certificate_file.write_text("nothing", encoding="utf-8")
    with pytest.raises(MeshError, match=r"anna\.crt holds no certificate in PEM"):
        mesh.client_certificate()


def test_a_certificate_of_nobody_or_of_long_ago_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path, clock=lambda: datetime.now(UTC) - timedelta(days=400))
    files, mesh = authority.issue(ANNA), mesh_file(tmp_path)
    with pytest.raises(MeshError, match=r"anna\.crt ended on \d{4}-\d\d-\d\d; ask the mesh's"):
        mesh.client_certificate()
    # The authority's own certificate names no caller.
    files.certificate_file.write_bytes(files.ca_file.read_bytes())
    with pytest.raises(MeshError, match=r"anna\.crt names no caller of a mesh"):
        mesh.client_certificate()


def test_whom_a_certificate_names_in_any_trust_domain(tmp_path: Path) -> None:
    weibo = Caller(Role.PARTNER, "weibo")
    files = Authority(tmp_path, trust_domain="mesh.example.org").issue(weibo)
    assert caller_in(files.certificate_file.read_bytes()) == weibo
    assert caller_in(files.ca_file.read_bytes()) is None
    assert caller_in(b"nothing") is None
