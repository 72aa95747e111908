"""platforms.toml, and what is said when it is wrong."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.donations.platforms import ConfigurationError, load_platforms
from tests.unit.donations.platforms.certificates import certificate_pem, serial_of
from tests.unit.donations.platforms.senders import (
    APIV3_KEY,
    APP_ID,
    APPID,
    MCHID,
    NOW,
    SELLER_ID,
    SENDERS,
    Gift,
    public_pem,
)
from tests.unit.donations.platforms.sending import secret

ALIPAY = f"""
[alipay]
app_id = "{APP_ID}"
seller_id = "{SELLER_ID}"
public_key_file = "keys/alipay.pub.pem"
"""
TENCENT = f"""
[tencent]
appid = "{APPID}"
mchid = "{MCHID}"
apiv3_key_file = "keys/tencent.apiv3.key"
[tencent.public_keys]
"PUB_KEY_ID_0001" = "keys/alipay.pub.pem"
"""
BYTEDANCE = """
[bytedance]
appid = "tt07e3715e98c9aac0"
"""
STRIPE = """
[stripe]
gifts_from = "charge"
signing_secret_files = ["keys/tencent.apiv3.key"]
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/alipay.pub.pem").write_bytes(public_pem("platform"))
    (tmp_path / "keys/tencent.apiv3.key").write_bytes(APIV3_KEY + b"\n")

    (tmp_path / "keys/short").write_bytes(b"short12\n")

    def write(text: str) -> Path:
        file = tmp_path / "platforms.toml"
        file.write_text(text)
        return file

    return write


def test_every_platform_loads_and_reads(write: Write, tmp_path: Path) -> None:
    platforms = load_platforms(write("".join(sender.configure(tmp_path) for sender in SENDERS)))
    assert list(platforms) == [sender.code for sender in SENDERS]
    for sender in SENDERS:
        assert platforms[sender.code].read(sender.payment(Gift()), NOW)


def test_a_platform_that_is_not_there_is_not_configured(write: Write) -> None:
    assert list(load_platforms(write(TENCENT))) == ["tencent"]
    assert load_platforms(write("")) == {}
    assert load_platforms(None) == {}


def test_keys_stay_out_of_what_is_printed(write: Write, tmp_path: Path) -> None:
    text = "".join(sender.configure(tmp_path) for sender in SENDERS)
    printed = repr(load_platforms(write(text)))
    assert APIV3_KEY.decode() not in printed
    assert secret("platform").decode() not in printed


def test_a_certificate_stands_under_its_own_serial(write: Write, tmp_path: Path) -> None:
    pem = certificate_pem("certified", NOW - timedelta(days=1), NOW + timedelta(days=1))
    (tmp_path / "certificate.pem").write_bytes(pem)
    right = TENCENT + f'{serial_of(pem)} = "certificate.pem"\n'
    assert load_platforms(write(right))
    with pytest.raises(ConfigurationError, match="is a certificate with the serial"):
        load_platforms(write(TENCENT + '5157F09EFDC096DE = "certificate.pem"\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alipay = 1", "must stand in a platform's table"),
        ("[alipay", "is no TOML file"),
        ("[alipai]", "is no platform; known are alipay, bytedance"),
        ("[alipay]", "needs app_id"),
        (ALIPAY + "app_ids = 1", "knows no setting 'app_ids'"),
        (ALIPAY.replace("alipay.pub", "missing"), "cannot be read"),
        (ALIPAY.replace("alipay.pub.pem", "tencent.apiv3.key"), "PEM public key"),
        (TENCENT.replace("tencent.apiv3.key", "alipay.pub.pem"), "32 ASCII characters"),
        (TENCENT.split("[tencent.")[0], "needs a table public_keys"),
        (TENCENT.split('"PUB')[0], "at least one key"),
        (BYTEDANCE, "needs token_files as a list"),
        (BYTEDANCE + "token_files = []", "a list of at least one file"),
        (BYTEDANCE + "token_files = [1]", "needs token_files as a text"),
        (BYTEDANCE + 'token_files = ["keys/missing"]', "cannot be read"),
        (BYTEDANCE + 'token_files = ["keys/short"]', "8 ASCII characters or more"),
        (BYTEDANCE + 'token_files = ["keys/tencent.apiv3.key"]', "letters and digits alone"),
        ("[xiaomi]\napp_id = 1", "needs app_id as a text"),
        (STRIPE, "needs livemode as true or false"),
        (STRIPE + 'livemode = "true"', "needs livemode as true or false"),
        (STRIPE.replace("charge", "both"), "gifts_from must be one of charge, payment_intent"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_platforms(write(text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml cannot be read"):
        load_platforms(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "not an RSA key"),
        (lambda: rsa.generate_private_key(65537, 1024), "1024 bits"),
    ],
    ids=["curve", "short"],
)
def test_weak_keys_are_refused(
    write: Write,
    tmp_path: Path,
    make: Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey],
    message: str,
) -> None:
    pem = make().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "keys/alipay.pub.pem").write_bytes(pem)
    with pytest.raises(ConfigurationError, match=message):
        load_platforms(write(ALIPAY))
