"""What follows from an entry counts in the entry's calendar."""

from collections.abc import Mapping
from typing import Protocol

from services.ledger.domain import Entry
from services.ledger.journal.calendar import CALENDAR, calendar_of


class EntryReader(Protocol):
    """The part of the store that reads entries."""

    async def entry_at(self, sequence: int) -> Entry | None:
        """The entry with this sequence."""


async def calendar_facts(store: EntryReader, sequence: int) -> Mapping[str, str]:
    """The fact with which an entry counts in the calendar of another; none for the ledger's own."""
    entry = await store.entry_at(sequence)
    calendar = calendar_of(entry.draft.metadata) if entry else ""
    return {CALENDAR: calendar} if calendar else {}
