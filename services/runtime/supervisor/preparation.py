"""What lies in the state directory before a mesh starts: certificates and keys."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.runtime.identity import Caller, Role
from services.runtime.supervisor.certificates import Authority
from services.runtime.supervisor.files import write_private

TRUST_DOMAIN = "watersmeet"
PARTNERS = ("alipay", "tencent", "weibo", "bytedance", "xiaomi", "qingsongchou")

MakePlatforms = Callable[[Path], object]
"""Called with a folder, makes the platforms' keys there, and platforms.toml, unless they exist."""


def open_authority(directory: Path) -> Authority:
    """The development authority of a state directory; made if it is not there."""
    return Authority(directory / "certs", trust_domain=TRUST_DOMAIN)


def prepare_certificates(directory: Path, services: Iterable[str]) -> Authority:
    """Issues what is missing for the services, the supervisor, the partners and the office."""
    authority = open_authority(directory)
    for name in (*services, "supervisor"):
        authority.issue(Caller(Role.SERVICE, name))
    for name in PARTNERS:
        authority.issue(Caller(Role.PARTNER, name))
    authority.issue(Caller(Role.FINANCE, "local"))
    authority.issue(Caller(Role.OPERATOR, "local"))
    return authority


def prepare_ledger(directory: Path) -> Mapping[str, str]:
    """Makes the key that the ledger's log is signed with. Settings that name it."""
    log_key = directory / "log.key"
    if not log_key.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        write_private(log_key, pem)
    # Not the default name: what a local mesh signs should never look like another log's.
    return {"LOG_KEY_FILE": str(log_key), "LOG_ORIGIN": "watersmeet.localhost/ledger"}


def prepare_donations(directory: Path, make_platforms: MakePlatforms | None) -> Mapping[str, str]:
    """Makes the donor keys, and the platforms' keys if someone can. Settings that name them."""
    donor_key = directory / "donor.key"
    if not donor_key.exists():
        write_private(donor_key, secrets.token_bytes(32))
    donor_keys = directory / "donor-keys"
    donor_keys.mkdir(mode=0o700, exist_ok=True)
    if not any(donor_keys.glob("*.key")):
        write_private(donor_keys / "1.key", secrets.token_bytes(32))
    platforms = directory / "platforms"
    if make_platforms is not None:
        platforms.mkdir(mode=0o700, exist_ok=True)
        make_platforms(platforms)
    settings = {"DONOR_KEY_FILE": str(donor_key), "DONOR_KEYS_DIR": str(donor_keys)}
    if (platforms / "platforms.toml").exists():
        settings["PLATFORMS_FILE"] = str(platforms / "platforms.toml")
    return settings
