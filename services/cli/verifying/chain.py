"""The hashes of a stretch's entries made again, all at once."""

from hashlib import sha256

import numpy as np

from services.cli.verifying.layout import END, MARK_BYTES
from services.cli.verifying.words import rows_at

_DIGEST = 32
_HEXADECIMAL = 64


def made_hashes(data: bytes, begins: list[int], previous: bytes) -> list[bytes] | None:
    """The hashes of whole entries, if they are those that stand there; None if not.

    begins: where in data each entry begins. previous: the hash before the first one.
    Each text is hashed behind the hash that stands before it, put there as bytes in the place of
    its last digits, so that nothing is copied; if all are right, it is the chain that they make.
    """
    at = np.array(begins)
    ends = np.append(at[1:], len(data)) - len(END)
    digits = rows_at(data, ends - _HEXADECIMAL, _HEXADECIMAL).tobytes()
    try:
        stored = bytes.fromhex(digits.decode())
    except ValueError:
        return None
    if len(stored) != _DIGEST * len(begins):
        return None
    text = bytearray(_DIGEST) + data
    before = np.ndarray(len(data), f"V{_DIGEST}", text, strides=(1,))
    before[at] = np.frombuffer(previous + stored[:-_DIGEST], dtype=before.dtype)
    view = memoryview(text)
    bounds = zip(begins, (ends + (_DIGEST - MARK_BYTES)).tolist(), strict=True)
    made = [sha256(view[begin:end]).digest() for begin, end in bounds]
    return made if b"".join(made).hex().encode() == digits else None
