"""What may become of a donor's contact: kept, read, erased; and its key, wrapped anew."""

import asyncio
from datetime import datetime
from typing import Protocol

import structlog

from services.donations import metrics
from services.donations.donors.donor import (
    Contact,
    DonorKey,
    Erased,
    PutOutcome,
    Reading,
    Sealed,
    donor_key,
)
from services.donations.donors.keys import KeyRing, SealBroken
from services.donations.donors.vault import Vault
from services.donations.gifts.tokens import DonorTokens
from services.donations.store.donors import DonorStore, Kept
from services.runtime.clock import Clock
from services.runtime.database import fault_of
from services.runtime.errors import Fault, Reason

_log = structlog.get_logger()

_PAGE = 500
_RETRY_S = 5.0


class Partners(Protocol):
    """The part of the catalog that knows partners."""

    async def partner_id(self, code: str) -> int:
        """The partner's id, made on first use."""

    async def known_partner_id(self, code: str) -> int | None:
        """The partner's id; None if it has none."""


class DonorDesk:
    """Methods raise the database's errors besides those they name."""

    def __init__(
        self,
        store: DonorStore,
        vault: Vault,
        tokens: DonorTokens,
        partners: Partners,
        clock: Clock,
    ) -> None:
        self._store = store
        self._vault = vault
        self._tokens = tokens
        self._partners = partners
        self._clock = clock

    async def put(
        self, partner: str, reference: str, contact: Contact, update_time: datetime
    ) -> PutOutcome:
        """Keeps a contact, unless one is kept that the partner learned of later.

        Raises Fault(DONOR_ERASED, DONOR_CONFLICT or DONOR_KEY_MISSING), and SealBroken.
        """
        token = self._tokens.token(partner, reference)
        donor = donor_key(await self._partners.partner_id(partner), token)
        outcome = PutOutcome.STORED

        def decide(kept: Kept) -> Sealed | None:
            nonlocal outcome
            if isinstance(kept, Erased):
                raise _erased()
            outcome = self._outcome(donor, kept, contact, update_time)
            if outcome is not PutOutcome.STORED:
                return None
            return self._vault.seal(contact, donor, update_time, self._clock(), kept)

        await self._store.put(donor, decide)
        metrics.DONOR_CONTACTS.labels(outcome.name.lower()).inc()
        return outcome

    def _outcome(
        self, donor: DonorKey, kept: Sealed | None, contact: Contact, update_time: datetime
    ) -> PutOutcome:
        if kept is None or kept.update_time < update_time:
            return PutOutcome.STORED
        if kept.update_time > update_time:
            return PutOutcome.OUTDATED
        if self._vault.unseal(kept, donor) == contact:
            return PutOutcome.REPLAYED
        raise Fault(
            Reason.DONOR_CONFLICT,
            "another contact of this donor has the same update_time, and is kept; send this one "
            "with the time at which you learned of it",
        )

    async def get(
        self, partner: str, reference: str, reading: Reading | None
    ) -> tuple[Contact, Sealed]:
        """A donor's contact, and as it is kept. reading: None where the partner itself reads.

        Raises Fault(DONOR_NOT_FOUND, DONOR_ERASED or DONOR_KEY_MISSING), and SealBroken.
        """
        donor = await self._known(partner, reference)
        kept = await (
            self._store.donor(donor)
            if reading is None
            else self._store.read(donor, reading, self._clock())
        )
        if kept is None:
            raise _not_found()
        if isinstance(kept, Erased):
            raise _erased()
        return self._vault.unseal(kept, donor), kept

    async def erase(self, partner: str, reference: str, by: str, *, is_own: bool) -> datetime:
        """Erases a donor; returns when that happened first.

        by: who calls. is_own: whether that is the partner, who may be heard of for the first time.
        Raises Fault(DONOR_NOT_FOUND) if the partner is unknown.
        """
        if is_own:
            await self._partners.partner_id(partner)  # from now on it is known
        donor = await self._known(partner, reference)
        erased = await self._store.erase(donor, by, self._clock())
        metrics.DONOR_CONTACTS.labels("erased").inc()
        return erased

    async def _known(self, partner: str, reference: str) -> DonorKey:
        partner_id = await self._partners.known_partner_id(partner)
        if partner_id is None:
            raise _not_found()
        return donor_key(partner_id, self._tokens.token(partner, reference))


def _erased() -> Fault:
    return Fault(
        Reason.DONOR_ERASED,
        "the donor was erased, for good; one who gives again and wants to be known needs a new "
        "reference",
    )


def _not_found() -> Fault:
    return Fault(Reason.DONOR_NOT_FOUND, "no contact of this donor was sent by this partner")


class Rewrapper:
    """Wraps what older keys wrap by the newest, so that the older ones can be destroyed."""

    def __init__(self, store: DonorStore, vault: Vault, keys: KeyRing) -> None:
        self._store = store
        self._vault = vault
        self._keys = keys

    async def run(self) -> None:
        """Wraps anew, once: new keys come with a restart. A database that is away is waited for."""
        while True:
            try:
                await self.rewrap()
                return
            except Exception as error:
                fault = fault_of(error)
                if fault is None:
                    raise
                _log.warning("donors' keys wait to be wrapped anew", reason=fault.reason.value)
            await asyncio.sleep(_RETRY_S)

    async def rewrap(self) -> int:
        """Wraps anew all that it can; returns how many. Raises the database's errors.

        What lacks its key, or is broken, is left, counted and logged.
        """
        done = left = 0
        if self._keys.newest is None:
            return 0
        for key_id in await self._store.key_ids():
            if key_id == self._keys.newest:
                continue
            if key_id in self._keys:
                done += await self._rewrap_all(key_id)
            remaining = await self._store.count_wrapped_by(key_id)
            if remaining:
                _log.error(
                    "donors' keys could not be wrapped anew",
                    key_id=key_id,
                    key_is_there=key_id in self._keys,
                    donors=remaining,
                )
            left += remaining
        metrics.DONOR_KEYS_OUTDATED.set(left)
        if done:
            _log.info("donors' keys were wrapped anew", key_id=self._keys.newest, donors=done)
        return done

    async def _rewrap_all(self, key_id: str) -> int:
        done, after = 0, DonorKey(-1, 0, b"")
        while page := await self._store.wrapped_by(key_id, after, _PAGE):
            changes = []
            for donor, old in page:
                try:
                    changes.append((donor, old, self._vault.rewrap(old, donor)))
                except SealBroken:
                    _log.error("a donor's key is broken", key_id=key_id, bucket=donor.bucket)
            done += await self._store.rewrap(changes)
            after = page[-1][0]
        return done
