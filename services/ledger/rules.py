"""What a draft must fulfil before it is sealed: checked once, before the database is touched."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from services.ledger.chart import APPEAL_FUND, CODE, FUND, SUSPENSE, place
from services.ledger.domain import Cause, CauseKind, EntryDraft, Transfer
from services.ledger.totals import movement_of
from services.runtime.currency import require_currency
from services.runtime.errors import Fault, Reason

ENTRIES_MAX = 1_000
"""Entries in one call."""

TRANSFERS_MAX = 20_000
"""Transfers in one entry."""

METADATA_MAX = 32
COUNT_MAX = 1_000_000_000
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)

COMPLETE_UNTIL = "complete_until/"
"""A metadata key of this prefix and a partner's code holds, as RFC 3339, the time before which all
gifts of the partner are in the books with this entry."""

_CAUSE_ID = re.compile(r"[!-~]{1,128}")
_METADATA_KEY = re.compile(r"[a-z0-9._/-]{1,64}")
_METADATA_VALUE = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,256}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def require_valid(draft: EntryDraft) -> None:
    """Raises the Fault of the first thing that is wrong; its metadata "field" names where.

    FIELD_REQUIRED, FIELD_INVALID, AMOUNT_NOT_POSITIVE, CURRENCY_UNKNOWN or ACCOUNT_NOT_IN_CHART.
    """
    _require_cause(draft.cause)
    if not EARLIEST <= draft.value_time < LATEST:
        raise _invalid("value_time", "must lie in the years 2000 to 2999")
    _require_metadata(draft)
    if draft.reverses is not None:
        raise _invalid("reverses", "must be none: only plain entries are posted so far")
    if not draft.transfers:
        raise Fault(
            Reason.FIELD_REQUIRED, "an entry needs at least one transfer", field="transfers"
        )
    if len(draft.transfers) > TRANSFERS_MAX:
        raise _invalid("transfers", f"must be at most {TRANSFERS_MAX:,}; split the entry")
    for position, transfer in enumerate(draft.transfers):
        try:
            _require_transfer(transfer)
        except Fault as fault:
            field = f"transfers[{position}]"
            inner = fault.metadata.get("field")
            fault.metadata["field"] = f"{field}.{inner}" if inner else field
            raise


def watermarks_of(metadata: Mapping[str, str]) -> dict[str, datetime]:
    """The watermarks that a valid entry's metadata states, by partner."""
    return {
        key.removeprefix(COMPLETE_UNTIL): datetime.fromisoformat(value).astimezone(UTC)
        for key, value in metadata.items()
        if key.startswith(COMPLETE_UNTIL)
    }


def _require_cause(cause: Cause) -> None:
    if not _CAUSE_ID.fullmatch(cause.id):
        raise _invalid("cause.id", "must be 1 to 128 printable ASCII characters without spaces")
    if cause.kind is CauseKind.INTAKE_BATCH and not _is_canonical_uuid(cause.id):
        raise _invalid("cause.id", "must be the batch's UUID, in lower case with hyphens")


def _require_metadata(draft: EntryDraft) -> None:
    if len(draft.metadata) > METADATA_MAX:
        raise _invalid("metadata", f"must have at most {METADATA_MAX} keys")
    for key, value in draft.metadata.items():
        if not _METADATA_KEY.fullmatch(key):
            raise _invalid("metadata", "has a key other than 1 to 64 of a-z 0-9 . _ / -")
        field = f"metadata[{key}]"
        if not _METADATA_VALUE.fullmatch(value):
            raise _invalid(field, "must be at most 256 characters, none of them a control")
        if key.startswith(COMPLETE_UNTIL) and not (
            CODE.fullmatch(key, len(COMPLETE_UNTIL)) and _is_time(value)
        ):
            raise _invalid(field, "must be complete_until/<partner> with an RFC 3339 time")


def _require_transfer(transfer: Transfer) -> None:
    debit, credit, micros, currency, campaign, project, hour, tally, step = transfer
    if step is not None:
        raise _invalid("step", "must be none: only plain movements are posted so far")
    if micros <= 0:
        raise Fault(
            Reason.AMOUNT_NOT_POSITIVE,
            "a transfer moves a positive amount; to move money back swap the accounts",
            field="amount",
        )
    require_currency(currency)
    if debit == credit:
        raise _invalid("credit_account", "must not be the debited account")
    restricted_to = _project_of(debit, credit)
    if restricted_to is not None and project != restricted_to:
        raise _invalid("project", f"must be {restricted_to!r}, as the accounts say")
    if campaign and not _is_code(campaign):
        raise _invalid("campaign", "must be empty or 1 to 64 of a-z 0-9 . _ -")
    if project and not _is_code(project):
        raise _invalid("project", "must be empty or 1 to 64 of a-z 0-9 . _ -")
    if hour is None:
        if movement_of(debit, credit) is not None:
            raise Fault(
                Reason.FIELD_REQUIRED,
                "a movement that the totals count needs the UTC hour of its gifts",
                field="hour",
            )
    elif hour.minute or hour.second or hour.microsecond or hour < EARLIEST:
        raise _invalid("hour", "must be a whole UTC hour since the year 2000")
    if not 0 <= tally <= COUNT_MAX:
        raise _invalid("count", f"must be 0 to {COUNT_MAX:,}")


@lru_cache(maxsize=65_536)
def _project_of(debit: str, credit: str) -> str | None:
    """The project that a transfer between these accounts is for; "" in suspense; None if open."""
    places = (place(debit), place(credit))
    funds = {found.owner for found in places if found.row in (FUND, APPEAL_FUND)}
    if len(funds) == 1:
        return funds.pop()
    # Between two projects' funds the transfer itself says which of them it counts for.
    return "" if not funds and any(found.row is SUSPENSE for found in places) else None


@lru_cache(maxsize=65_536)
def _is_code(text: str) -> bool:
    return CODE.fullmatch(text) is not None


def _is_canonical_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _is_time(text: str) -> bool:
    if not _RFC3339.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


def _invalid(field: str, rule: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, f"{field} {rule}", field=field)
