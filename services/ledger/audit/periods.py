"""The check of periods: every decision was one that could be taken, every entry stands in the
period that was open for it, and what came late is listed.

It looks at each entry as the chain check passes by.
"""

from services.ledger.audit.check import Check, Findings
from services.ledger.domain import CauseKind, Entry
from services.ledger.journal.periods import Late, Periods, period_decision_of
from services.ledger.store.snapshot import Snapshot
from services.runtime.errors import Fault

NAME = "periods"


class PeriodWalk:
    """The states of periods, derived again entry by entry."""

    def __init__(self) -> None:
        self._periods = Periods()
        self._findings = Findings()
        self._decisions = 0
        self._listed = 0
        self._late: set[Late] = set()

    def see(self, entry: Entry) -> None:
        """The next entry of the chain."""
        draft = entry.draft
        try:
            if entry.dates is not None:
                expected = self._periods.dates_of(draft, entry.recorded_time)
                if entry.dates.book != expected.book:
                    self._findings.add(
                        f"entry {entry.sequence} stands in the period of {entry.dates.book}, and "
                        f"belongs into that of {expected.book}"
                    )
            self._late.update(self._periods.late(draft, entry.sequence))
            if draft.cause.kind is CauseKind.PERIOD:
                self._decide(entry)
        except Fault as fault:
            self._findings.add(f"entry {entry.sequence}: {fault.message}")

    async def compare(self, books: Snapshot, first: int, last: int) -> None:
        """Compares what is listed as late of the entries from first to last, all of them seen."""
        listed = await books.steps.late(first, last)
        for late in sorted(listed ^ self._late):
            self._findings.add(
                f"transfer {late.sequence}/{late.position} of {late.value_date} "
                + ("is listed as late, and was not" if late in listed else "is not listed as late")
            )
        self._listed += len(self._late)
        self._late = set()

    async def check(self, books: Snapshot) -> Check:
        """What was found; the chain must have been walked."""
        if await books.steps.periods_sequence() != self._periods.sequence:
            self._findings.add(
                f"the head names another last decision than entry {self._periods.sequence}"
            )
        return self._findings.check(
            NAME,
            self._decisions + self._listed,
            f"every entry stands in a period that was open for it, {len(self._periods.states):,} "
            f"are not open, and all {self._listed:,} movements that came late are listed",
        )

    def _decide(self, entry: Entry) -> None:
        decision = period_decision_of(entry.draft.cause.id, entry.draft.metadata)
        self._periods.require(decision, entry.recorded_time)
        self._periods = self._periods.after(decision, entry.sequence)
        self._decisions += 1
