"""Checkpoints as text: signed notes of C2SP (signed-note, tlog-checkpoint), signed by Ed25519.

    <origin>
    <size>
    <root hash in base64>

    — <key name> <base64 of key id and signature>

The key's name is the origin. A note may have several signatures, while a key is being changed.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

ORIGIN = re.compile(r"[!-*,-~]{1,128}")
"""Printable ASCII without spaces and '+'."""

_ED25519 = b"\x01"
_ID_BYTES = 4
_FORM = re.compile(
    r"(?P<body>(?P<origin>[!-*,-~]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/]{43}=)\n)"
    r"\n(?P<signatures>(— [!-*,-~]+ [A-Za-z0-9+/]+={0,2}\n)+)"
)


VerifierKeys = Mapping[tuple[str, bytes], Ed25519PublicKey]
"""Public keys by name and key id."""


class Unsigned(Exception):
    """A note that is none, or that no known key has signed; the message says which."""


class Checkpoint(NamedTuple):
    """A tree head as it was signed. note: the whole text."""

    size: int
    note: str


class TreeHead(NamedTuple):
    """What a note says: size leaves have this root."""

    origin: str
    size: int
    root: bytes


class Signer:
    """One signing key, under the log's name."""

    def __init__(self, origin: str, key: Ed25519PrivateKey) -> None:
        self.origin = origin
        self._key = key
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._id = _key_id(origin, public)
        self.verifier_key = f"{origin}+{self._id.hex()}+{b64encode(_ED25519 + public).decode()}"

    @classmethod
    def load(cls, origin: str, file: Path) -> "Signer":
        """From a PEM file. Raises OSError, and ValueError if it holds no Ed25519 private key."""
        try:
            key = load_pem_private_key(file.read_bytes(), None)
        except (ValueError, TypeError):
            key = None
        if isinstance(key, Ed25519PrivateKey):
            return cls(origin, key)
        raise ValueError(f"{file} holds no Ed25519 private key in PEM, unencrypted")

    def line(self, body: str) -> str:
        """The signature's line under a text."""
        signature = b64encode(self._id + self._key.sign(body.encode())).decode()
        return f"— {self.origin} {signature}\n"


def signed(size: int, root: bytes, signers: Sequence[Signer]) -> Checkpoint:
    """A checkpoint with a signature of each signer; all of them have the same origin."""
    body = f"{signers[0].origin}\n{size}\n{b64encode(root).decode()}\n"
    return Checkpoint(size, body + "\n" + "".join(signer.line(body) for signer in signers))


def opened(note: str, verifier_keys: VerifierKeys) -> TreeHead:
    """What a note says. Raises Unsigned unless a known key, and no known key wrongly, signed it."""
    form = _FORM.fullmatch(note)
    if form is None:
        raise Unsigned("it has not the form of a checkpoint")
    good = 0
    for name, blob in _signatures(form):
        key = verifier_keys.get((name, blob[:_ID_BYTES]))
        if key is None:
            raise Unsigned(f"it is signed by a key {name}+{blob[:_ID_BYTES].hex()} not on the list")
        try:
            key.verify(blob[_ID_BYTES:], form["body"].encode())
        except InvalidSignature:
            raise Unsigned(f"the signature of {name}+{blob[:_ID_BYTES].hex()} is wrong") from None
        good += 1
    assert good, "the form has at least one signature"
    return TreeHead(form["origin"], int(form["size"]), _decoded(form["root"]))


def signed_by(note: str, verifier_keys: VerifierKeys) -> bool:
    """Whether a note that `opened` opens has the signature of one of these keys."""
    form = _FORM.fullmatch(note)
    return form is not None and any(
        (name, blob[:_ID_BYTES]) in verifier_keys for name, blob in _signatures(form)
    )


def _signatures(form: re.Match[str]) -> Iterator[tuple[str, bytes]]:
    """Each signature: its key's name, and the key's id with the signature itself."""
    for line in form["signatures"].splitlines():
        _, name, text = line.split(" ")
        yield name, _decoded(text)


def keys_of(verifier_keys: Iterable[str]) -> VerifierKeys:
    """Verifier keys by name and id. Raises Unsigned if one is none."""
    return dict(map(_key_of, verifier_keys))


def _key_of(verifier_key: str) -> tuple[tuple[str, bytes], Ed25519PublicKey]:
    name, _, rest = verifier_key.partition("+")
    id_, _, text = rest.partition("+")
    blob = _decoded(text)
    if blob[:1] != _ED25519 or len(blob) != 33 or _key_id(name, blob[1:]).hex() != id_:
        raise Unsigned(f"{verifier_key!r} is no verifier key")
    return (name, bytes.fromhex(id_)), Ed25519PublicKey.from_public_bytes(blob[1:])


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_ID_BYTES]


def _decoded(text: str) -> bytes:
    """Base64 in its one form: what ends in other bits than zero is refused."""
    try:
        decoded = b64decode(text, validate=True)
    except ValueError:
        raise Unsigned("its base64 is broken") from None
    if b64encode(decoded).decode() != text:
        raise Unsigned("its base64 is not in its one form")
    return decoded
