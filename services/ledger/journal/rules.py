"""What a draft must fulfil before it is sealed: checked once, before the database is touched."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from services.ledger.domain import (
    Cause,
    CauseKind,
    EntryDraft,
    Step,
    StepKind,
    Transfer,
)
from services.ledger.journal.calendar import CALENDAR, calendar_of, zone_of
from services.ledger.journal.chart import (
    CODE,
    require_unit,
)
from services.ledger.journal.decisions import DECISIONS, account_decision_of
from services.ledger.journal.movements import EARLIEST, LATEST, invalid, move_of, require_transfer
from services.ledger.journal.periods import period_decision_of
from services.ledger.journal.routes import Move, Movements
from services.runtime.errors import Fault, Reason

ENTRIES_MAX = 1_000
"""Entries in one call."""

TRANSFERS_MAX = 20_000
"""Transfers in one entry."""

METADATA_MAX = 32

COMPLETE_UNTIL = "complete_until/"
"""A metadata key of this prefix and a partner's code holds, as RFC 3339, the time before which all
gifts of the partner are in the books with this entry."""

_CAUSE_ID = re.compile(r"[!-~]{1,128}")
_METADATA_KEY = re.compile(r"[a-z0-9._/-]{1,64}")
_METADATA_VALUE = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,256}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def require_valid(draft: EntryDraft) -> tuple[Sequence[Move], Sequence[Step]]:
    """The plain movements of a valid draft, and the steps of its other transfers, in order.

    Nearly all drafts have no steps. Raises the Fault of the first thing that is wrong; its metadata
    "field" names where. FIELD_REQUIRED, FIELD_INVALID, AMOUNT_NOT_POSITIVE, CURRENCY_UNKNOWN,
    UNIT_MISMATCH or ACCOUNT_NOT_IN_CHART.
    """
    _, cause, value_time, metadata, transfers, reverses = draft
    _require_cause(cause)
    _require_value_time(value_time)
    if metadata:
        _require_metadata(draft)
    if cause.kind in DECISIONS:
        _require_decision(draft)
        return (), ()
    moves, steps = _checked(transfers)
    if transfers or not _states_watermarks_alone(draft):
        _require_size(len(transfers))
    if steps or reverses is not None:
        _require_reversal(draft, steps)
    return moves, steps


def require_all_valid(
    causes: Iterable[Cause], value_times: Collection[datetime], moves: Iterable[Sequence[Move]]
) -> None:
    """As `require_valid`, of drafts that are plain movements without metadata, given in columns."""
    for cause in set(causes):
        _require_cause(cause)
        if cause.kind in DECISIONS:
            raise invalid("transfers", "must be none in a decision")
    if value_times:
        _require_value_time(min(value_times))
        _require_value_time(max(value_times))
    if sizes := set(map(len, moves)):
        _require_size(min(sizes))
        _require_size(max(sizes))


def _require_value_time(value_time: datetime) -> None:
    if not EARLIEST <= value_time < LATEST:
        raise invalid("value_time", "must lie in the years 2000 to 2999")


def _require_size(transfers: int) -> None:
    if not transfers:
        raise Fault(
            Reason.FIELD_REQUIRED, "an entry needs at least one transfer", field="transfers"
        )
    if transfers > TRANSFERS_MAX:
        raise invalid("transfers", f"must be at most {TRANSFERS_MAX:,}; split the entry")


def _checked(transfers: Sequence[Transfer]) -> tuple[Sequence[Move], Sequence[Step]]:
    if isinstance(transfers, Movements):
        return transfers.moves, ()
    moves: list[Move] = []
    steps: list[Step] = []
    for position, transfer in enumerate(transfers):
        try:
            if transfer.step is None:
                moves.append(move_of(*transfer[:-1]))
            else:
                require_transfer(transfer, transfer.step)
                steps.append(transfer.step)
        except Fault as fault:
            raise of_transfer(position, fault) from None
    return moves, steps


def of_transfer(position: int, fault: Fault) -> Fault:
    """The fault of a transfer, which tells now of which one of a draft."""
    field, inner = f"transfers[{position}]", fault.metadata.get("field")
    fault.metadata["field"] = f"{field}.{inner}" if inner else field
    return fault


def require_postable(draft: EntryDraft) -> None:
    """That a draft may be posted as it comes. Raises Fault(FIELD_INVALID) of decisions."""
    if draft.cause.kind in DECISIONS:
        raise invalid(
            "cause.kind", "is of a decision; decide on accounts and periods by their calls"
        )


def intakes_fact(metadata: Mapping[str, str]) -> str | None:
    """The key of a fact that only intake knows: in which calendar its gifts count, until when they
    are complete. Whoever else could state it would choose a period that is not closed.
    """
    known = (key for key in metadata if key == CALENDAR or key.startswith(COMPLETE_UNTIL))
    return next(known, None)


def too_far_ahead(ahead: timedelta) -> Fault:
    """What a new entry is told that counts later than so far ahead of its recording. That is a
    mistake, and would hide in a period that nobody looks at yet.
    """
    return invalid(
        "value_time",
        f"lies more than {ahead.days} days ahead of the ledger's clock; check the year, or post "
        "the entry when it is nearer",
    )


def watermarks_of(metadata: Mapping[str, str]) -> dict[str, datetime]:
    """The watermarks that a valid entry's metadata states, by partner."""
    return {
        key.removeprefix(COMPLETE_UNTIL): datetime.fromisoformat(value).astimezone(UTC)
        for key, value in metadata.items()
        if key.startswith(COMPLETE_UNTIL)
    }


@lru_cache(maxsize=4_096)
def _require_cause(cause: Cause) -> None:
    kind, cause_id = cause
    if not _CAUSE_ID.fullmatch(cause_id):
        raise invalid("cause.id", "must be 1 to 128 printable ASCII characters without spaces")
    if kind is CauseKind.INTAKE_BATCH and not _is_canonical_uuid(cause_id):
        raise invalid("cause.id", "must be the batch's UUID, in lower case with hyphens")


def _states_watermarks_alone(draft: EntryDraft) -> bool:
    """Where a batch holds nothing new but says that its partner is complete."""
    return draft.cause.kind is CauseKind.INTAKE_BATCH and any(
        key.startswith(COMPLETE_UNTIL) for key in draft.metadata
    )


def _require_decision(draft: EntryDraft) -> None:
    if draft.transfers or draft.reverses is not None:
        raise invalid("transfers", "must be none in a decision")
    if draft.cause.kind is CauseKind.ACCOUNT:
        require_unit(account_decision_of(draft.cause.id, draft.metadata).name)
    else:
        period_decision_of(draft.cause.id, draft.metadata)


def _require_reversal(draft: EntryDraft, steps: Sequence[Step]) -> None:
    """Either all transfers reverse one entry, and the draft says which, or none does."""
    entries = {step.of.sequence for step in steps if step.of and step.kind is StepKind.REVERSE}
    if draft.reverses is None:
        if entries:
            raise invalid("reverses", "must name the entry that the transfers reverse")
        return
    of_it = [s for s in steps if s.kind is StepKind.REVERSE]
    if entries != {draft.reverses} or len(of_it) < len(draft.transfers):
        raise invalid("reverses", "must be the one entry that all of the transfers reverse")


def _require_metadata(draft: EntryDraft) -> None:
    if len(draft.metadata) > METADATA_MAX:
        raise invalid("metadata", f"must have at most {METADATA_MAX} keys")
    zone_of(calendar_of(draft.metadata))
    for key, value in draft.metadata.items():
        if not _METADATA_KEY.fullmatch(key):
            raise invalid("metadata", "has a key other than 1 to 64 of a-z 0-9 . _ / -")
        field = f"metadata[{key}]"
        if not _METADATA_VALUE.fullmatch(value):
            raise invalid(field, "must be at most 256 characters, none of them a control")
        if key.startswith(COMPLETE_UNTIL) and not (
            CODE.fullmatch(key, len(COMPLETE_UNTIL)) and _is_time(value)
        ):
            raise invalid(field, "must be complete_until/<partner> with an RFC 3339 time")


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
