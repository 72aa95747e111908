"""Reversals that people ask for: what of an entry is left to move back, as an entry of its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.ledger.domain import (
    Cause,
    CauseKind,
    EntryDraft,
    EntryId,
    Posting,
    Step,
    StepKind,
    Sums,
    Transfer,
    TransferName,
)
from services.ledger.journal.steps import Named
from services.ledger.posting.calendars import calendar_facts
from services.ledger.posting.writer import Writer
from services.ledger.store.reading import ReadingStore
from services.runtime.errors import Fault, Reason


class Part(NamedTuple):
    """How much of which transfer of an entry is moved back."""

    position: int
    sums: Sums
    currency: str


class Reversals:
    """Reverses entries."""

    def __init__(self, writer: Writer, store: ReadingStore) -> None:
        self._writer = writer
        self._store = store

    async def reverse(
        self,
        entry_id: EntryId,
        sequence: int,
        parts: Sequence[Part],
        *,
        value_time: datetime,
        document: str,
    ) -> Posting:
        """Moves back parts of an entry; without parts, all that is left of it.

        Raises Fault(ENTRY_NOT_FOUND), Fault(REVERSAL_EXCEEDED) if nothing is left, and the Fault of
        the posting.
        """
        moved = await self._store.left_of(sequence)
        if not parts:
            # What is left was read first: had this reversal stood by then, it would be found now.
            before = await self._store.entry_of(entry_id)
            if before is not None and before.draft.reverses == sequence:
                return await self._writer.post_one(
                    before.draft._replace(
                        value_time=value_time, cause=Cause(CauseKind.REVERSAL, document)
                    )
                )
        if not moved:
            raise Fault(
                Reason.ENTRY_NOT_FOUND,
                f"no entry {sequence} with transfers stands in the books; check the sequence",
            )
        if parts:
            transfers = [_part(moved, sequence, part) for part in parts]
        else:
            transfers = [_rest(name, named) for name, named in moved.items() if _is_left(named)]
        if not transfers:
            raise Fault(
                Reason.REVERSAL_EXCEEDED,
                f"nothing that entry {sequence} moved is left to reverse",
                left_micros="0",
                left_count="0",
            )
        return await self._writer.post_one(
            EntryDraft(
                entry_id=entry_id,
                cause=Cause(CauseKind.REVERSAL, document),
                value_time=value_time,
                metadata=await calendar_facts(self._store, sequence),
                transfers=tuple(transfers),
                reverses=sequence,
            )
        )


def _is_left(named: Named) -> bool:
    step = named.transfer.step
    return (
        named.transfer.moves
        and (step is None or step.kind is not StepKind.REVERSE)
        and named.reversed.micros < named.transfer.micros
    )


def _rest(name: TransferName, named: Named) -> Transfer:
    moved, back = named.transfer, named.reversed
    return _back(moved, name, Sums(moved.micros - back.micros, moved.tally - back.tally))


def _part(moved: dict[TransferName, Named], sequence: int, part: Part) -> Transfer:
    name = TransferName(sequence, part.position)
    found = moved.get(name)
    if found is None:
        raise Fault(
            Reason.ENTRY_NOT_FOUND,
            f"entry {sequence} has no transfer {part.position}; the first is 0",
            field="parts.position",
        )
    if part.currency != found.transfer.currency:
        raise Fault(
            Reason.CURRENCY_MISMATCH,
            f"transfer {name} is in {found.transfer.currency}; reverse an amount of that",
            field="parts.amount",
        )
    return _back(found.transfer, name, part.sums)


def _back(moved: Transfer, name: TransferName, sums: Sums) -> Transfer:
    return moved._replace(
        debit=moved.credit,
        credit=moved.debit,
        micros=sums.micros,
        tally=sums.tally,
        step=Step(StepKind.REVERSE, name),
    )
