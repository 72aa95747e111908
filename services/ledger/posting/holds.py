"""The ends of holds that people ask for, and what became of holds."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.ledger.domain import (
    AccountName,
    Cause,
    CauseKind,
    EntryDraft,
    EntryId,
    Posting,
    Step,
    StepKind,
    Transfer,
    TransferName,
)
from services.ledger.journal.steps import Named
from services.ledger.posting.calendars import calendar_facts
from services.ledger.posting.writer import Writer
from services.ledger.store.reading import ReadingStore
from services.runtime.errors import Fault, Reason


class Hold(NamedTuple):
    """A hold, and what became of it."""

    name: TransferName
    status: Named


class Holds:
    """Commits, voids and reads holds."""

    def __init__(self, writer: Writer, store: ReadingStore) -> None:
        self._writer = writer
        self._store = store

    async def commit(
        self, entry_id: EntryId, name: TransferName, micros: int | None, value_time: datetime
    ) -> Posting:
        """Moves micros of a hold, None for all of it, and frees the rest.

        The count goes with all of it, or else stays behind. Raises the Fault of the posting.
        """
        held = (await self.hold(name)).status.transfer
        moved = held if micros in (None, held.micros) else held._replace(micros=micros, tally=0)
        step = Step(StepKind.COMMIT, name)
        return await self._end(entry_id, name, moved._replace(step=step), value_time)

    async def void(self, entry_id: EntryId, name: TransferName, value_time: datetime) -> Posting:
        """Frees all of a hold. Raises the Fault of the posting."""
        held = (await self.hold(name)).status.transfer
        step = Step(StepKind.VOID, name)
        return await self._end(entry_id, name, held._replace(step=step), value_time)

    async def hold(self, name: TransferName) -> Hold:
        """A hold. Raises Fault(HOLD_NOT_FOUND)."""
        found = await self._store.named(name)
        step = found.transfer.step if found else None
        if found is None or step is None or step.kind is not StepKind.HOLD:
            raise Fault(
                Reason.HOLD_NOT_FOUND,
                f"no hold {name} stands in the books; name it by its entry's sequence and its "
                "place among that entry's transfers",
            )
        return Hold(name, found)

    async def of_account(
        self, account: AccountName, *, open_only: bool, after: TransferName, limit: int
    ) -> Sequence[Hold]:
        """The holds of an account after one, at most limit. Raises Fault(ACCOUNT_NOT_FOUND)."""
        if await self._store.account(account) is None:
            raise Fault(
                Reason.ACCOUNT_NOT_FOUND,
                f"there is no account {account.code[:160]!r} in {account.currency[:8]!r}; "
                "check the code and the currency, or list the accounts",
            )
        found = await self._store.holds(account, open_only=open_only, after=after, limit=limit)
        return [Hold(name, status) for name, status in found.items()]

    async def _end(
        self, entry_id: EntryId, name: TransferName, transfer: Transfer, value_time: datetime
    ) -> Posting:
        cause = Cause(CauseKind.HOLD, str(name))
        facts = await calendar_facts(self._store, name.sequence)
        draft = EntryDraft(entry_id, cause, value_time, facts, (transfer,))
        return await self._writer.post_one(draft)
