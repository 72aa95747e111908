"""The hashes of a stretch's entries made again, all at once."""

from binascii import unhexlify
from hashlib import sha256

import numpy as np

from services.cli.verifying.layout import HASH_LINE
from services.cli.verifying.room import FRONT
from services.cli.verifying.words import Places, rows_at

_DIGEST = 32
_HEXADECIMAL = 64
_SMALL = np.uint8(0x20)
"""A bit of digits and of small letters, and not of capital ones."""


def made_hashes(
    room: bytearray, begins: Places, ends: Places, previous: bytes
) -> list[bytes] | None:
    """The hashes of whole entries, if they are those that stand there; None if not.

    room: the entries in their room, which is used up. begins, ends: of each entry's text, before
    its hash's line. previous: the hash before the first one.
    Each text is hashed behind the hash that stands before it, put there as bytes in the place of
    its last digits, so that nothing is copied; if all are right, it is the chain that they make.
    """
    digits = rows_at(room, ends + (FRONT + len(HASH_LINE)), _HEXADECIMAL)
    try:
        stored = unhexlify(digits.tobytes())
    except ValueError:
        return None
    if not (digits & _SMALL).all():
        return None
    before = np.ndarray(len(room) - _DIGEST, f"V{_DIGEST}", room, strides=(1,))
    before[begins + (FRONT - _DIGEST)] = np.frombuffer(
        previous + stored[:-_DIGEST], dtype=before.dtype
    )
    view = memoryview(room)
    bounds = zip((begins + (FRONT - _DIGEST)).tolist(), (ends + FRONT).tolist(), strict=True)
    made = [sha256(view[begin:end]).digest() for begin, end in bounds]
    return made if b"".join(made) == stored else None
