"""Donors' references become keyed tokens at the edge; the reference itself is kept nowhere."""

import hashlib
from pathlib import Path

TOKEN_BYTES = 16

_KEY_BYTES_MIN = 32


class DonorTokens:
    """Makes tokens: keyed BLAKE2b (RFC 7693) of the reference, with a key for each partner.

    The same donor has the same token at one partner, and unrelated ones at two: partners do not
    learn each other's donors, and without the key nobody can try references out.
    """

    def __init__(self, key: bytes) -> None:
        """key: at least 32 secret bytes. Raises ValueError for fewer."""
        if len(key) < _KEY_BYTES_MIN:
            raise ValueError(f"the donor key needs at least {_KEY_BYTES_MIN} bytes")
        self._key = hashlib.blake2b(key, person=b"donor tokens").digest()
        self._partners: dict[str, hashlib.blake2b] = {}  # bounded by the partners that exist

    @classmethod
    def load(cls, file: Path) -> "DonorTokens":
        """Reads the key's file. Raises OSError, or ValueError for a key that is too short."""
        return cls(file.read_bytes())

    def token(self, partner: str, reference: str) -> bytes:
        """The token of a donor's reference, TOKEN_BYTES long; b"" if there is no reference."""
        if not reference:
            return b""
        keyed = self._keyed(partner).copy()
        keyed.update(reference.encode())
        return keyed.digest()

    def tokens(self, partner: str, references: list[str]) -> bytes:
        """The tokens of many references, one after the other; zero bytes where there is none."""
        start = self._keyed(partner).copy
        parts = []
        for reference in references:
            if reference:
                keyed = start()
                keyed.update(reference.encode())
                parts.append(keyed.digest())
            else:
                parts.append(bytes(TOKEN_BYTES))
        return b"".join(parts)

    def _keyed(self, partner: str) -> "hashlib.blake2b":
        keyed = self._partners.get(partner)
        if keyed is None:
            key = hashlib.blake2b(partner.encode(), key=self._key).digest()
            keyed = hashlib.blake2b(key=key, digest_size=TOKEN_BYTES)
            self._partners[partner] = keyed
        return keyed
