"""Checkpoints as a reader checks them: C2SP signed notes with Ed25519 signatures.

Shares no code with the ledger that signs them.
"""

import base64
import binascii
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_TYPE = 1  # Ed25519


class NotValid(Exception):
    """A key or a note that is not what it should be; the message says why."""


class KeyName(NamedTuple):
    """What a signature names its key by."""

    name: str
    id: bytes


Keys = Mapping[KeyName, Ed25519PublicKey]


class Head(NamedTuple):
    """What a checkpoint says: so many entries have this root."""

    origin: str
    size: int
    root: bytes


def parse_key(text: str) -> tuple[KeyName, Ed25519PublicKey]:
    """A verifier key: name+id+base64. Raises NotValid."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not parts[0] or " " in parts[0]:
        raise NotValid("it is not name+id+base64")
    name, id_text, encoded = parts
    material = _bytes_of(encoded)
    if len(material) != 33 or material[0] != _TYPE:
        raise NotValid("it is no Ed25519 key")
    key_id = sha256(f"{name}\n".encode() + material).digest()[:4]
    if key_id.hex() != id_text:
        raise NotValid(f"its id is not {id_text!r}")
    return KeyName(name, key_id), Ed25519PublicKey.from_public_bytes(material[1:])


def check_note(note: str, keys: Keys, *, others_sign: bool = False) -> Head:
    """What a checkpoint says, if a known key signed it and no known key signed something else.

    others_sign: pass over signatures of unknown keys, as of witnesses; otherwise they are wrong.
    Raises NotValid.
    """
    body, blank, signatures = note.rpartition("\n\n")
    body += "\n"
    try:
        signed = body.encode()
    except UnicodeEncodeError:  # a surrogate, which JSON can name
        raise NotValid("it is no text") from None
    lines = body.split("\n")
    if not blank or len(lines) != 4 or not signatures.endswith("\n"):
        raise NotValid("it is not in the form of a checkpoint")
    verified = 0
    for line in signatures[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "—" or not name:
            raise NotValid("a line of its signatures is not in their form")
        blob = _bytes_of(encoded)
        key = keys.get(KeyName(name, blob[:4]))
        if key is None:
            if not others_sign:
                raise NotValid(f"it is signed by {name}+{blob[:4].hex()}, which is not known")
            continue
        try:
            key.verify(blob[4:], signed)
        except InvalidSignature:
            raise NotValid(f"its signature by {name}+{blob[:4].hex()} is wrong") from None
        verified += 1
    if not verified:
        raise NotValid("no known key has signed it")
    origin, size, root, _ = lines
    if not origin or not size.isascii() or not size.isdigit() or str(int(size)) != size:
        raise NotValid("its origin or size is none")
    if len(_bytes_of(root)) != 32:
        raise NotValid("its root is not 32 bytes")
    return Head(origin, int(size), _bytes_of(root))


def _bytes_of(encoded: str) -> bytes:
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise NotValid("its base64 is broken") from None
    if base64.b64encode(decoded).decode() != encoded:
        raise NotValid("its base64 is not in its one form")
    return decoded
