"""The development platforms' keys, and the file that tells the donations service what to trust.

A platform keeps its private key; the system gets only `platforms.toml` with the public halves, and
the secrets that both sides hold where a platform signs with one. Here both halves lie in one
folder, because the simulator is the platform.
"""

import os
import secrets
import string
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SETTINGS_FILE = "platforms.toml"

_KEY_BITS = 2048
_SECRET_CHARACTERS = 32
_PARTNER_KEY_ID = "2019-09"


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
    apiv3_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BytedanceKeys:
    """What Douyin knows of one mini program: its id, and the token that both sides hold."""

    appid: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class XiaomiKeys:
    """What Xiaomi knows of one application: its id, and the AppSecret that both sides hold."""

    app_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StripeKeys:
    """What Stripe knows of one endpoint: the signing secret that both sides hold."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PartnerKeys:
    """A partner's own key for signed JSON, and the id under which its public half is known."""

    key_id: str
    private_key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class PlatformKeys:
    """Every platform's keys, and one RSA key that nobody trusts.

    partners: of those that send signed JSON.
    """

    alipay: AlipayKeys
    tencent: TencentKeys
    bytedance: BytedanceKeys
    xiaomi: XiaomiKeys
    stripe: StripeKeys
    partners: Mapping[str, PartnerKeys]
    forger: rsa.RSAPrivateKey


def make_keys(directory: Path) -> Path:
    """Makes the keys of the platforms that `platforms.toml` in a directory does not name; returns
    that file.

    A platform is added to the file after its keys are made, so what stands there is complete.
    """
    settings = directory / SETTINGS_FILE
    text = settings.read_text(encoding="utf-8") if settings.exists() else _HEAD
    missing = [name for name in _SECTIONS if name not in tomllib.loads(text)]
    if not missing:
        return settings
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in missing:
        section, make = _SECTIONS[name]
        make(directory, name)
        text += f"\n{section}"
    _write(settings, text.encode("utf-8"))
    return settings


def load_keys(directory: Path) -> PlatformKeys:
    """Reads what `make_keys` made. Raises FileNotFoundError where it made nothing."""
    settings = tomllib.loads((directory / SETTINGS_FILE).read_text(encoding="utf-8"))
    alipay, tencent = settings["alipay"], settings["tencent"]
    [serial] = tencent["public_keys"]
    return PlatformKeys(
        AlipayKeys(alipay["app_id"], alipay["seller_id"], _read_rsa(directory, "alipay")),
        TencentKeys(
            tencent["appid"],
            tencent["mchid"],
            serial,
            _read_rsa(directory, "tencent"),
            (directory / tencent["apiv3_key_file"]).read_bytes(),
        ),
        BytedanceKeys(settings["bytedance"]["appid"], _read_secret(directory, "bytedance")),
        XiaomiKeys(settings["xiaomi"]["app_id"], _read_secret(directory, "xiaomi")),
        StripeKeys(_read_secret(directory, "stripe")),
        {
            name: PartnerKeys(_PARTNER_KEY_ID, _read_ed25519(directory, name))
            for name in ("weibo", "qingsongchou")
        },
        rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS),
    )


_HEAD = "# The platforms whose notices are taken, for development. Paths are relative to here.\n"

_ALIPAY = """\
[alipay]
app_id = "2021000000000095"
seller_id = "2088000000000095"
public_key_file = "alipay.pub.pem"
"""
_TENCENT = """\
[tencent]
appid = "wx95fedcba98765432"
mchid = "1900000095"
apiv3_key_file = "tencent.secret"

[tencent.public_keys]
"PUB_KEY_ID_0119000000952019090500000001" = "tencent.pub.pem"
"""
_BYTEDANCE = """\
[bytedance]
appid = "tt95fedcba98765432"
token_files = ["bytedance.secret"]
"""
_XIAOMI = """\
[xiaomi]
app_id = "2882303761500000095"
app_secret_files = ["xiaomi.secret"]
"""
_STRIPE = """\
[stripe]
livemode = false
gifts_from = "charge"
signing_secret_files = ["stripe.secret"]
"""
_PARTNER = """\
[{name}.keys]
"{key_id}" = "{name}.pub.pem"
"""


def _make_rsa(directory: Path, name: str) -> None:
    _write_pair(directory, name, rsa.generate_private_key(65537, _KEY_BITS))


def _make_ed25519(directory: Path, name: str) -> None:
    _write_pair(directory, name, Ed25519PrivateKey.generate())


def _make_secret(directory: Path, name: str) -> None:
    alphabet = string.ascii_letters + string.digits
    secret = "".join(secrets.choice(alphabet) for _ in range(_SECRET_CHARACTERS))
    _write(directory / f"{name}.secret", secret.encode("ascii"))


def _make_both(directory: Path, name: str) -> None:
    _make_rsa(directory, name)
    _make_secret(directory, name)


_SECTIONS: Mapping[str, tuple[str, Callable[[Path, str], None]]] = {
    "alipay": (_ALIPAY, _make_rsa),
    "tencent": (_TENCENT, _make_both),
    "bytedance": (_BYTEDANCE, _make_secret),
    "xiaomi": (_XIAOMI, _make_secret),
    "stripe": (_STRIPE, _make_secret),
    "weibo": (_PARTNER.format(name="weibo", key_id=_PARTNER_KEY_ID), _make_ed25519),
    "qingsongchou": (_PARTNER.format(name="qingsongchou", key_id=_PARTNER_KEY_ID), _make_ed25519),
}


def _write_pair(directory: Path, name: str, key: rsa.RSAPrivateKey | Ed25519PrivateKey) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write(directory / f"{name}.key.pem", private)
    _write(directory / f"{name}.pub.pem", public)


def _read_rsa(directory: Path, name: str) -> rsa.RSAPrivateKey:
    key = _read_private(directory, name)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _read_ed25519(directory: Path, name: str) -> Ed25519PrivateKey:
    key = _read_private(directory, name)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def _read_private(directory: Path, name: str) -> Any:
    pem = (directory / f"{name}.key.pem").read_bytes()
    return serialization.load_pem_private_key(pem, password=None)


def _read_secret(directory: Path, name: str) -> str:
    return (directory / f"{name}.secret").read_text(encoding="ascii")


def _write(path: Path, content: bytes) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
