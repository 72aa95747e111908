"""Entries that move nothing: what people decided, as sealed metadata; here, on an account.

A decision is an entry like any other: numbered, sealed, never changed. What it decided is read from
its metadata, so what holds now can be derived from the entries alone.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from services.ledger.domain import (
    AccountLimit,
    AccountName,
    AccountState,
    Cause,
    CauseKind,
    EntryDraft,
    EntryId,
)
from services.runtime.errors import Fault, Reason

DECISIONS = (CauseKind.ACCOUNT, CauseKind.PERIOD)
"""The causes of entries that move nothing. Two are sooner compared than an enum is hashed."""

BY = "by"
"""The metadata key of who decided: role and name of the certificate."""

DOCUMENT = "document"
"""The metadata key of what the decision rests on."""

_STATE = "account/state"
_LIMIT = "account/limit"
_OPENED = "account/opened"


class AccountDecision(NamedTuple):
    """What was decided on an account; None leaves it as it is. opens: at least that it be there."""

    name: AccountName
    state: AccountState | None = None
    limit: AccountLimit | None = None
    opens: bool = False


def draft_of_account(
    entry_id: EntryId, decision: AccountDecision, *, value_time: datetime, by: str, document: str
) -> EntryDraft:
    """The entry that a decision on an account is. document: may be empty."""
    metadata = {BY: by}
    if document:
        metadata[DOCUMENT] = document
    if decision.state is not None:
        metadata[_STATE] = decision.state.name
    if decision.limit is not None:
        metadata[_LIMIT] = decision.limit.name
    if decision.opens:
        metadata[_OPENED] = "yes"
    cause = Cause(CauseKind.ACCOUNT, f"{decision.name.code}:{decision.name.currency}")
    return EntryDraft(entry_id, cause, value_time, metadata, ())


def account_decision_of(cause_id: str, metadata: Mapping[str, str]) -> AccountDecision:
    """What an entry of the cause ACCOUNT decided. Raises Fault(FIELD_INVALID)."""
    code, colon, currency = cause_id.rpartition(":")
    state, limit, opens = metadata.get(_STATE), metadata.get(_LIMIT), _OPENED in metadata
    try:
        decision = AccountDecision(
            AccountName(code, currency),
            None if state is None else AccountState[state],
            None if limit is None else AccountLimit[limit],
            opens,
        )
    except KeyError:
        colon = ""
    if not colon or not (state or limit or opens):
        raise Fault(
            Reason.FIELD_INVALID,
            "a decision on an account names it as code:currency, and says what becomes of it",
            field="metadata",
        )
    return decision
