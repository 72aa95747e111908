"""The development platforms' keys, and the file that tells the donations service what to trust.

A platform keeps its private key; the system gets only `platforms.toml` with the public halves (and
WeChat Pay's APIv3 key, which both sides hold). Here both halves lie in one folder, because the
simulator is the platform.
"""

import os
import secrets
import string
import tomllib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SETTINGS_FILE = "platforms.toml"

_ALIPAY_APP_ID = "2021000000000095"
_ALIPAY_SELLER_ID = "2088000000000095"
_TENCENT_APPID = "wx95fedcba98765432"
_TENCENT_MCHID = "1900000095"
_TENCENT_KEY_ID = "PUB_KEY_ID_0119000000952019090500000001"
_KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class AlipayKeys:
    """What Alipay knows of one merchant's application: ids, and the key it signs notices with."""

    app_id: str
    seller_id: str
    private_key: rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class TencentKeys:
    """What WeChat Pay knows of one merchant: ids, its signing key, and the APIv3 key (32 bytes)."""

    appid: str
    mchid: str
    serial: str
    private_key: rsa.RSAPrivateKey
    apiv3_key: bytes


@dataclass(frozen=True, slots=True)
class PlatformKeys:
    """The keys of every platform that speaks its own tongue, and one key that nobody trusts."""

    alipay: AlipayKeys
    tencent: TencentKeys
    forger: rsa.RSAPrivateKey


def make_keys(directory: Path) -> Path:
    """Makes the platforms' keys in a directory, unless they are there; returns `platforms.toml`.

    The settings file is written last, so that its presence means that everything is there.
    """
    settings = directory / SETTINGS_FILE
    if settings.exists():
        return settings
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for platform in ("alipay", "tencent"):
        _make_pair(directory, platform)
    alphabet = string.ascii_letters + string.digits
    apiv3_key = "".join(secrets.choice(alphabet) for _ in range(32))
    _write(directory / "tencent.apiv3.key", apiv3_key.encode("ascii"))
    _write(settings, _SETTINGS.encode("utf-8"))
    return settings


def load_keys(directory: Path) -> PlatformKeys:
    """Reads what `make_keys` made. Raises FileNotFoundError where it made nothing."""
    settings = tomllib.loads((directory / SETTINGS_FILE).read_text(encoding="utf-8"))
    alipay, tencent = settings["alipay"], settings["tencent"]
    [serial] = tencent["public_keys"]
    return PlatformKeys(
        AlipayKeys(alipay["app_id"], alipay["seller_id"], _read_private(directory, "alipay")),
        TencentKeys(
            tencent["appid"],
            tencent["mchid"],
            serial,
            _read_private(directory, "tencent"),
            (directory / tencent["apiv3_key_file"]).read_bytes(),
        ),
        rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS),
    )


_SETTINGS = f"""\
# The platforms whose notices are taken, for development. Paths are relative to this file.
[alipay]
app_id = "{_ALIPAY_APP_ID}"
seller_id = "{_ALIPAY_SELLER_ID}"
public_key_file = "alipay.pub.pem"

[tencent]
appid = "{_TENCENT_APPID}"
mchid = "{_TENCENT_MCHID}"
apiv3_key_file = "tencent.apiv3.key"

[tencent.public_keys]
"{_TENCENT_KEY_ID}" = "tencent.pub.pem"
"""


def _make_pair(directory: Path, platform: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write(directory / f"{platform}.key.pem", private)
    _write(directory / f"{platform}.pub.pem", public)


def _read_private(directory: Path, platform: str) -> rsa.RSAPrivateKey:
    pem = (directory / f"{platform}.key.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _write(path: Path, content: bytes) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
