"""Drafts of more than plain movements: pledges, holds and what ends them, reversals, decisions."""

from datetime import datetime, timedelta

from services.ledger.domain import (
    AccountLimit,
    AccountName,
    AccountState,
    Cause,
    CauseKind,
    EntryDraft,
    EntryId,
    Step,
    StepKind,
    Transfer,
    TransferName,
)
from services.ledger.journal.decisions import AccountDecision, draft_of_account
from services.ledger.journal.periods import (
    PeriodAction,
    PeriodDecision,
    draft_of_period,
    period_of,
)
from tests.unit.ledger.drafts import NOON, draft, new_id

POOL = AccountName("sponsor/acme/pool", "CNY")
PLEDGED = AccountName("sponsor/acme/pledged", "CNY")
FUND = AccountName("project/well/fund", "CNY")


def pledge(micros: int) -> Transfer:
    """A sponsor promises."""
    return Transfer(PLEDGED.code, POOL.code, micros, "CNY", "", "", None, 0)


def match(micros: int, step: Step | None = None, tally: int = 1) -> Transfer:
    """A sponsor's pledge goes to the well."""
    return Transfer(POOL.code, FUND.code, micros, "CNY", "95week", "well", None, tally, step)


def hold(micros: int, minutes: int | None = None) -> Transfer:
    """A match that is reserved, for so many minutes after noon."""
    end = None if minutes is None else NOON + timedelta(minutes=minutes)
    return match(micros, Step(StepKind.HOLD, expire_time=end))


def commit(micros: int, sequence: int, position: int = 0, tally: int = 1) -> Transfer:
    """The end of a match that is reserved."""
    return match(micros, Step(StepKind.COMMIT, TransferName(sequence, position)), tally)


def void(micros: int, sequence: int, position: int = 0) -> Transfer:
    """The end of a match that is reserved."""
    return match(micros, Step(StepKind.VOID, TransferName(sequence, position)))


def back(moved: Transfer, sequence: int, position: int = 0, **change: int) -> Transfer:
    """The reversal of a transfer."""
    step = Step(StepKind.REVERSE, TransferName(sequence, position))
    swapped = moved._replace(debit=moved.credit, credit=moved.debit, step=step)
    return swapped._replace(**change)


def reversal(*transfers: Transfer, of: int) -> EntryDraft:
    """The reversal of an entry."""
    return draft(*transfers, cause=Cause(CauseKind.REVERSAL, "memo-2"))._replace(reverses=of)


def decision(
    name: AccountName,
    state: AccountState | None = None,
    limit: AccountLimit | None = None,
    *,
    entry_id: EntryId | None = None,
    value_time: datetime = NOON,
) -> EntryDraft:
    """Finance decides on an account."""
    return draft_of_account(
        entry_id or new_id(),
        AccountDecision(name, state, limit),
        value_time=value_time,
        by="finance/local",
        document="memo-3",
    )


def period_decision(
    name: str,
    action: PeriodAction,
    by: str = "finance/anna",
    *,
    entry_id: EntryId | None = None,
    value_time: datetime = NOON,
) -> EntryDraft:
    """Finance decides on a period."""
    return draft_of_period(
        entry_id or new_id(),
        PeriodDecision(period_of(name), action, by),
        value_time=value_time,
        document="",
    )
