"""Signed notes, against C2SP's published example, and bit by bit."""

from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.ledger.log.note import Signer, Unsigned, keys_of, opened, signed

ROOT = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
LOG = Signer("example.com/ledger", KEY)
NEXT = Signer("example.com/ledger", OTHER)

# From the specification: https://c2sp.org/signed-note
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_BODY = b"This is an example message.\n"
EXAMPLE_SIGNATURE = (
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
)


def test_the_form() -> None:
    note = signed(7, ROOT, [LOG]).note
    body, signature = note.split("\n\n")
    assert body == "example.com/ledger\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert signature.startswith("— example.com/ledger ")
    assert signature.endswith("\n")


def test_the_published_example_is_verified() -> None:
    [((name, id_), key)] = keys_of([EXAMPLE_KEY]).items()
    assert (name, id_.hex()) == ("example.com/foo", "530d903a")
    blob = b64decode(EXAMPLE_SIGNATURE)
    assert blob[:4] == id_
    key.verify(blob[4:], EXAMPLE_BODY)


def test_what_was_signed_is_opened() -> None:
    head = opened(signed(7, ROOT, [LOG]).note, keys_of([LOG.verifier_key]))
    assert head == ("example.com/ledger", 7, ROOT)


def test_two_keys_sign_while_the_key_is_changed() -> None:
    note = signed(7, ROOT, [LOG, NEXT]).note
    assert note.count("— ") == 2
    keys = [LOG.verifier_key, NEXT.verifier_key]
    assert opened(note, keys_of(keys)).size == 7
    with pytest.raises(Unsigned, match="not on the list"):
        opened(note, keys_of(keys[:1]))


def test_every_flipped_bit_is_found() -> None:
    note = signed(7, ROOT, [LOG]).note.encode()
    keys = keys_of([LOG.verifier_key])
    for at in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[at] ^= 1 << bit
            with pytest.raises((Unsigned, UnicodeDecodeError)):
                opened(changed.decode(), keys)


def test_every_flipped_bit_of_a_key_is_found() -> None:
    note = signed(7, ROOT, [LOG]).note
    key = LOG.verifier_key.encode()
    for at in range(len(key)):
        for bit in range(7):
            changed = bytearray(key)
            changed[at] ^= 1 << bit
            with pytest.raises(Unsigned):
                opened(note, keys_of([changed.decode()]))


def test_a_key_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "log.key"
    rsa = generate_private_key(65537, 2048)
    pem = rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"no key", pem):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="holds no Ed25519 private key"):
            Signer.load("example.com/ledger", file)
    good = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(good)
    assert Signer.load("example.com/ledger", file).verifier_key == LOG.verifier_key
