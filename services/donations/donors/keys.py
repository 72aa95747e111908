"""The key-encryption keys: they wrap donors' own keys, and come from a folder of files."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.donations.donors.donor import WrappedKey
from services.runtime.errors import Fault, Reason

KEY_BYTES = 32
NONCE_BYTES = 12

_ID = re.compile(r"[a-z0-9-]{1,32}")
_SUFFIX = ".key"


class SealBroken(Exception):
    """What is kept is not what was sealed here: the database was changed, or a key file was."""


class KeyRing:
    """Keys by id. The last in the order of ids wraps; the others only unwrap.

    So a new key is one more file, named to sort behind the others, say by its month.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """keys: each of KEY_BYTES. Raises ValueError for other lengths or ids."""
        for key_id, key in keys.items():
            if not _ID.fullmatch(key_id):
                raise ValueError("a donor key's id is 1 to 32 characters of a-z, 0-9 and '-'")
            if len(key) != KEY_BYTES:
                raise ValueError(f"donor key {key_id} must have {KEY_BYTES} bytes")
        self._keys = {key_id: AESGCM(keys[key_id]) for key_id in sorted(keys)}

    def __repr__(self) -> str:
        return f"KeyRing({list(self._keys)})"

    @classmethod
    def load(cls, folder: Path | None) -> "KeyRing":
        """Reads every `<id>.key` of a folder; no keys without a folder.

        Raises OSError, and ValueError for a file that is no key or a folder that holds none.
        """
        if folder is None:
            return cls({})
        files = sorted(file for file in folder.iterdir() if file.suffix == _SUFFIX)
        if not files:
            raise ValueError(f"{folder} holds no donor key; a key is a file of {KEY_BYTES} bytes")
        return cls({file.stem: file.read_bytes() for file in files})

    @property
    def newest(self) -> str | None:
        """The id of the key that wraps; None if there is none."""
        return next(reversed(self._keys), None)

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._keys

    def wrap(self, data_key: bytes, owner: bytes) -> WrappedKey:
        """A donor's key wrapped by the newest key, for that donor alone.

        owner: what names the donor; unwrapping needs the same. Raises Fault(DONOR_KEY_MISSING).
        """
        key_id = self.newest
        if key_id is None:
            raise Fault(
                Reason.DONOR_KEY_MISSING,
                "this mesh keeps no donors' contacts, as it has no keys for them; its operator "
                "names a folder of keys in the settings",
            )
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._keys[key_id].encrypt(nonce, data_key, _bound(key_id, owner))
        return WrappedKey(key_id, nonce + sealed)

    def unwrap(self, key: WrappedKey, owner: bytes) -> bytes:
        """A donor's key. Raises Fault(DONOR_KEY_MISSING), and SealBroken."""
        wrapping = self._keys.get(key.key_id)
        if wrapping is None:
            raise Fault(
                Reason.DONOR_KEY_MISSING,
                f"the contact is sealed under the key {key.key_id}, which is not among the donor "
                "keys; its operator puts the file back",
            )
        nonce, sealed = key.wrapped[:NONCE_BYTES], key.wrapped[NONCE_BYTES:]
        try:
            return wrapping.decrypt(nonce, sealed, _bound(key.key_id, owner))
        except (InvalidTag, ValueError):
            raise SealBroken(f"a donor's key does not unwrap under {key.key_id}") from None


def _bound(key_id: str, owner: bytes) -> bytes:
    return b"watersmeet donor key 1\0" + key_id.encode() + b"\0" + owner
