"""Periods: the days and months of the books' calendars, and whether entries may go into them.

A period is of one calendar, and its name says of which (journal/calendar.py): 2019-09 is the
ledger's own September, 2019-09@Europe/London that of campaigns there.

A period is open until people decide otherwise: it is closing once it is over, then closed. While it
closes, finance's own entries still go into it; into a closed one nothing does. What intake counted
goes into the period of the day on which it is recorded, with its value date kept. A closed period
is opened again by two people. A day is as closed as the stricter of the day itself and its month.

Every decision is an entry (decisions.py), so the states at any entry follow from those before it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from services.ledger.domain import Cause, CauseKind, Dates, EntryDraft, EntryId
from services.ledger.journal.calendar import CALENDAR, calendar_of, day_of, start_of, zone_of
from services.ledger.journal.decisions import BY, DECISIONS, DOCUMENT
from services.ledger.journal.totals import movement_of
from services.runtime.errors import Fault, Reason


class PeriodState(IntEnum):
    """Whether entries may go into a period; numbered as in the proto. A greater one is stricter."""

    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class PeriodAction(IntEnum):
    """What people decide on a period; numbered as in the proto."""

    BEGIN_CLOSING = 1
    CLOSE = 2
    CANCEL_CLOSING = 3
    PROPOSE_REOPENING = 4
    APPROVE_REOPENING = 5


class Period(NamedTuple):
    """A day or a month. end: the first day behind it. calendar: empty for the ledger's own."""

    name: str
    start: date
    end: date
    calendar: str = ""


class PeriodDecision(NamedTuple):
    """What was decided on a period. by: role and name of the certificate."""

    period: Period
    action: PeriodAction
    by: str


class Proposal(NamedTuple):
    """That a closed period be opened again: by whom, and the entry that says so."""

    by: str
    sequence: int


class Late(NamedTuple):
    """A movement of gifts that came after the period of its value date began to close."""

    sequence: int
    position: int
    value_date: date


_NAME = re.compile(r"(2\d{3})-(\d\d)(?:-(\d\d))?(?:@([A-Za-z][A-Za-z0-9_+/-]{0,63}))?")
_ACTION = "period/action"

# From, and to. Whoever approves must be another than who proposed.
_STEPS: Mapping[PeriodAction, tuple[PeriodState, PeriodState]] = {
    PeriodAction.BEGIN_CLOSING: (PeriodState.OPEN, PeriodState.CLOSING),
    PeriodAction.CLOSE: (PeriodState.CLOSING, PeriodState.CLOSED),
    PeriodAction.CANCEL_CLOSING: (PeriodState.CLOSING, PeriodState.OPEN),
    PeriodAction.PROPOSE_REOPENING: (PeriodState.CLOSED, PeriodState.CLOSED),
    PeriodAction.APPROVE_REOPENING: (PeriodState.CLOSED, PeriodState.OPEN),
}


@lru_cache(maxsize=4_096)
def period_of(name: str) -> Period:
    """The period of a name such as 2019-09, 2019-09-05 or 2019-09@Europe/London.

    Raises Fault(FIELD_INVALID).
    """
    match = _NAME.fullmatch(name)
    try:
        if match is None:
            raise ValueError
        year, month, day = int(match[1]), int(match[2]), int(match[3] or 1)
        start = date(year, month, day)
        end = start + timedelta(days=1) if match[3] else _month_after(start)
        calendar = calendar_of({CALENDAR: match[4] or ""})
        zone_of(calendar)
        return Period(_named(name.partition("@")[0], calendar), start, end, calendar)
    except (ValueError, Fault):
        raise Fault(
            Reason.FIELD_INVALID,
            "a period is a month such as 2019-09 or a day such as 2019-09-05, since the year 2000, "
            "of another calendar than the ledger's own with its time zone: 2019-09@Europe/London",
            field="period",
        ) from None


def _month_after(start: date) -> date:
    return date(start.year + start.month // 12, start.month % 12 + 1, 1)


def _named(days: str, calendar: str) -> str:
    return f"{days}@{calendar}" if calendar else days


def draft_of_period(
    entry_id: EntryId, decision: PeriodDecision, *, value_time: datetime, document: str
) -> EntryDraft:
    """The entry that a decision on a period is. document: may be empty."""
    metadata = {_ACTION: decision.action.name, BY: decision.by}
    if document:
        metadata[DOCUMENT] = document
    cause = Cause(CauseKind.PERIOD, decision.period.name)
    return EntryDraft(entry_id, cause, value_time, metadata, ())


def period_decision_of(cause_id: str, metadata: Mapping[str, str]) -> PeriodDecision:
    """What an entry of the cause PERIOD decided. Raises Fault(FIELD_INVALID)."""
    try:
        return PeriodDecision(period_of(cause_id), PeriodAction[metadata[_ACTION]], metadata[BY])
    except KeyError:
        raise Fault(
            Reason.FIELD_INVALID,
            "a decision on a period says what was decided and by whom",
            field="metadata",
        ) from None


@dataclass(frozen=True)
class Periods:
    """The states of all periods behind some entry.

    states: of those that are not open. proposals: to open closed ones again. sequence: the last
    entry that decided on any; 0 if none did. until: from this day on all are open.
    """

    states: Mapping[str, PeriodState] = field(default_factory=dict)
    proposals: Mapping[str, Proposal] = field(default_factory=dict)
    sequence: int = 0
    until: date = date.min

    def state_of(self, day: date, calendar: str = "") -> PeriodState:
        """How strictly a day of a calendar is closed."""
        if day >= self.until:
            return PeriodState.OPEN
        name = day.isoformat()
        return max(
            self.states.get(_named(name, calendar), PeriodState.OPEN),
            self.states.get(_named(name[:7], calendar), PeriodState.OPEN),
        )

    def require(self, decision: PeriodDecision, now: datetime) -> None:
        """That a decision may be taken.

        Raises Fault(PERIOD_STATE_CONFLICT), PERIOD_NOT_OVER or SECOND_PERSON_REQUIRED.
        """
        period, action, by = decision
        state = self.states.get(period.name, PeriodState.OPEN)
        proposal = self.proposals.get(period.name)
        wanted, _ = _STEPS[action]
        if state is not wanted:
            raise _conflict(period, state, f"{action.name} needs {wanted.name}")
        if action is PeriodAction.BEGIN_CLOSING and now < start_of(period.end, period.calendar):
            raise Fault(
                Reason.PERIOD_NOT_OVER,
                f"period {period.name} ends on {period.end} at midnight in "
                f"{period.calendar or 'the ledger'}'s calendar; begin to close it then",
            )
        if action is PeriodAction.PROPOSE_REOPENING and proposal is not None:
            raise _conflict(period, state, f"entry {proposal.sequence} proposes the same")
        if action is PeriodAction.APPROVE_REOPENING:
            if proposal is None:
                raise _conflict(period, state, "nobody has proposed to open it again")
            if proposal.by == by:
                raise Fault(
                    Reason.SECOND_PERSON_REQUIRED,
                    f"{by} proposed to open period {period.name} again; somebody else approves it",
                    sequence=str(proposal.sequence),
                )

    def after(self, decision: PeriodDecision, sequence: int) -> "Periods":
        """The states behind the entry that is this decision."""
        period, action, by = decision
        states, proposals = dict(self.states), dict(self.proposals)
        _, state = _STEPS[action]
        states[period.name] = state
        if state is PeriodState.OPEN:
            del states[period.name]
        if action is PeriodAction.PROPOSE_REOPENING:
            proposals[period.name] = Proposal(by, sequence)
        else:
            proposals.pop(period.name, None)
        until = max((period_of(name).end for name in states), default=date.min)
        return replace(self, states=states, proposals=proposals, sequence=sequence, until=until)

    def dates_of(self, draft: EntryDraft, now: datetime) -> Dates:
        """When a draft counts, and the day in whose period it stands, if it is recorded now: days
        of the calendar that it names.

        Raises Fault(PERIOD_CLOSED).
        """
        calendar = calendar_of(draft.metadata) if draft.metadata else ""
        if self.until == date.min:
            return _open(draft.value_time, calendar)
        value = day_of(draft.value_time, calendar)
        state = self.state_of(value, calendar)
        if state is PeriodState.OPEN:
            return _same(value)
        if draft.cause.kind is CauseKind.INTAKE_BATCH or draft.cause.kind in DECISIONS:
            # Today is open: what is not over cannot begin to close.
            return Dates(value, day_of(now, calendar))
        if state is PeriodState.CLOSING:
            return Dates(value, value)
        raise Fault(
            Reason.PERIOD_CLOSED,
            f"the period of {_named(value.isoformat(), calendar)} is closed; give the entry a "
            "value time in an open period, or have two people open it again",
            value_date=value.isoformat(),
        )

    def open_dates(self, value_time: datetime) -> Dates | None:
        """What `dates_of` tells of a draft in the ledger's own calendar behind which all is open,
        as behind nearly all; None of another.
        """
        dates = _open(value_time, "")
        return dates if dates.value >= self.until else None

    def late(self, draft: EntryDraft, sequence: int) -> Iterator[Late]:
        """The gifts, refunds and allocations among what intake counted that come late: the gifts
        were made in a period that is not open any more. What else becomes of gifts later on,
        settlement for one, is always later, and is not late.
        """
        if draft.cause.kind is not CauseKind.INTAKE_BATCH or self.until == date.min:
            return
        calendar = calendar_of(draft.metadata)
        for position, transfer in enumerate(draft.transfers):
            day = day_of(transfer.hour or draft.value_time, calendar)
            if self.state_of(day, calendar) is PeriodState.OPEN:
                continue
            movement = movement_of(transfer.debit, transfer.credit)
            if movement is not None and movement.hourly:
                yield Late(sequence, position, day)


@lru_cache(maxsize=4_096)
def _open(time: datetime, calendar: str) -> Dates:
    return _same(day_of(time, calendar))


@lru_cache(maxsize=4_096)
def _same(day: date) -> Dates:
    return Dates(day, day)


def _conflict(period: Period, state: PeriodState, why: str) -> Fault:
    return Fault(
        Reason.PERIOD_STATE_CONFLICT,
        f"period {period.name} is {state.name}: {why}; read the period, and decide again",
        state=state.name,
    )
