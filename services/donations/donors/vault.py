"""Envelope encryption: a contact is sealed with its donor's own key, and that key is wrapped.

Whoever lacks the wrapped key lacks the contact; so to erase a donor is to lose 60 bytes.
"""

import json
import secrets
from dataclasses import asdict
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.donations.domain import micros_of
from services.donations.donors.donor import Contact, DonorKey, Sealed, WrappedKey
from services.donations.donors.keys import KEY_BYTES, NONCE_BYTES, KeyRing, SealBroken

# Contacts of any usual length come out alike, so that their size says little.
_PADDED_BYTES = 512


class Vault:
    """Seals and unseals: AES-256-GCM with a fresh random nonce each time.

    What is sealed is bound to its donor and its update_time: moved to another row, or under another
    time, it does not open.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def seal(
        self,
        contact: Contact,
        donor: DonorKey,
        update_time: datetime,
        now: datetime,
        before: Sealed | None,
    ) -> Sealed:
        """The contact, sealed. before: what is kept of the same donor, whose key stays the donor's.

        Raises Fault(DONOR_KEY_MISSING), and SealBroken.
        """
        owner = _owner(donor)
        if before is not None and before.key.key_id in self._keys:
            data_key = self._keys.unwrap(before.key, owner)
        else:
            data_key = secrets.token_bytes(KEY_BYTES)
        text = json.dumps(asdict(contact), ensure_ascii=False).encode()
        text += b" " * (-len(text) % _PADDED_BYTES)
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = nonce + AESGCM(data_key).encrypt(nonce, text, _bound(owner, update_time))
        return Sealed(self._keys.wrap(data_key, owner), content, update_time, now)

    def unseal(self, sealed: Sealed, donor: DonorKey) -> Contact:
        """The contact. Raises Fault(DONOR_KEY_MISSING), and SealBroken if it was tampered with."""
        owner = _owner(donor)
        data_key = self._keys.unwrap(sealed.key, owner)
        nonce, content = sealed.content[:NONCE_BYTES], sealed.content[NONCE_BYTES:]
        try:
            text = AESGCM(data_key).decrypt(nonce, content, _bound(owner, sealed.update_time))
        except (InvalidTag, ValueError):
            raise SealBroken("a donor's contact does not open with the donor's key") from None
        return Contact(**json.loads(text))

    def rewrap(self, key: WrappedKey, donor: DonorKey) -> WrappedKey:
        """The same donor's key, wrapped by the newest. Raises as `unseal` does."""
        owner = _owner(donor)
        return self._keys.wrap(self._keys.unwrap(key, owner), owner)


def _owner(donor: DonorKey) -> bytes:
    return donor.partner_id.to_bytes(2, "big") + donor.token


def _bound(owner: bytes, update_time: datetime) -> bytes:
    moment = micros_of(update_time).to_bytes(8, "big", signed=True)
    return b"watersmeet donor contact 1\0" + owner + moment
