"""What follows from an entry counts in the entry's calendar."""

from collections.abc import Mapping

from services.ledger.journal.calendar import CALENDAR, calendar_of
from services.ledger.store.reading import ReadingStore


async def calendar_facts(store: ReadingStore, sequence: int) -> Mapping[str, str]:
    """The fact with which an entry counts in the calendar of another; none for the ledger's own."""
    calendar = calendar_of(await store.facts_of(sequence))
    return {CALENDAR: calendar} if calendar else {}
