"""What a draft must fulfil before it is sealed: checked once, before the database is touched."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from services.ledger.domain import (
    INT64_MAX,
    AccountName,
    Cause,
    CauseKind,
    EntryDraft,
    Step,
    StepKind,
    Transfer,
)
from services.ledger.journal import seal
from services.ledger.journal.calendar import CALENDAR, calendar_of, zone_of
from services.ledger.journal.chart import (
    APPEAL_BANK,
    APPEAL_FUND,
    CODE,
    FUND,
    MINUTES,
    SUSPENSE,
    place,
    require_unit,
)
from services.ledger.journal.decisions import DECISIONS, account_decision_of
from services.ledger.journal.periods import period_decision_of
from services.ledger.journal.routes import Move, Movements, Route
from services.ledger.journal.totals import counted_of, movement_of
from services.runtime.currency import require_currency
from services.runtime.errors import Fault, Reason

ENTRIES_MAX = 1_000
"""Entries in one call."""

TRANSFERS_MAX = 20_000
"""Transfers in one entry."""

MINUTE_MICROS = 1_000_000
METADATA_MAX = 32
COUNT_MAX = 1_000_000_000
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)

COMPLETE_UNTIL = "complete_until/"
"""A metadata key of this prefix and a partner's code holds, as RFC 3339, the time before which all
gifts of the partner are in the books with this entry."""

_OF_PROJECTS = (FUND, APPEAL_FUND, APPEAL_BANK)
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
    if not EARLIEST <= value_time < LATEST:
        raise _invalid("value_time", "must lie in the years 2000 to 2999")
    if metadata:
        _require_metadata(draft)
    if cause.kind in DECISIONS:
        _require_decision(draft)
        return (), ()
    moves, steps = _checked(transfers)
    count = len(moves) + len(steps)
    if not count and not _states_watermarks_alone(draft):
        raise Fault(
            Reason.FIELD_REQUIRED, "an entry needs at least one transfer", field="transfers"
        )
    if count > TRANSFERS_MAX:
        raise _invalid("transfers", f"must be at most {TRANSFERS_MAX:,}; split the entry")
    if steps or reverses is not None:
        _require_reversal(draft, steps)
    return moves, steps


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
                _require_transfer(transfer, transfer.step)
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
        raise _invalid(
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
    return _invalid(
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
        raise _invalid("cause.id", "must be 1 to 128 printable ASCII characters without spaces")
    if kind is CauseKind.INTAKE_BATCH and not _is_canonical_uuid(cause_id):
        raise _invalid("cause.id", "must be the batch's UUID, in lower case with hyphens")


def _states_watermarks_alone(draft: EntryDraft) -> bool:
    """Where a batch holds nothing new but says that its partner is complete."""
    return draft.cause.kind is CauseKind.INTAKE_BATCH and any(
        key.startswith(COMPLETE_UNTIL) for key in draft.metadata
    )


def _require_decision(draft: EntryDraft) -> None:
    if draft.transfers or draft.reverses is not None:
        raise _invalid("transfers", "must be none in a decision")
    if draft.cause.kind is CauseKind.ACCOUNT:
        require_unit(account_decision_of(draft.cause.id, draft.metadata).name)
    else:
        period_decision_of(draft.cause.id, draft.metadata)


def _require_reversal(draft: EntryDraft, steps: Sequence[Step]) -> None:
    """Either all transfers reverse one entry, and the draft says which, or none does."""
    entries = {step.of.sequence for step in steps if step.of and step.kind is StepKind.REVERSE}
    if draft.reverses is None:
        if entries:
            raise _invalid("reverses", "must name the entry that the transfers reverse")
        return
    of_it = [s for s in steps if s.kind is StepKind.REVERSE]
    if entries != {draft.reverses} or len(of_it) < len(draft.transfers):
        raise _invalid("reverses", "must be the one entry that all of the transfers reverse")


def _require_metadata(draft: EntryDraft) -> None:
    if len(draft.metadata) > METADATA_MAX:
        raise _invalid("metadata", f"must have at most {METADATA_MAX} keys")
    zone_of(calendar_of(draft.metadata))
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


def move_of(
    debit: str,
    credit: str,
    micros: int,
    currency: str,
    campaign: str,
    project: str,
    hour: datetime | None,
    tally: int,
) -> Move:
    """A plain movement, of what a Transfer is made of. Raises the Fault of what is wrong with it,
    as `require_valid`.
    """
    if micros <= 0:
        raise _not_positive()
    route = _route_of(debit, credit, currency, campaign, project, hour)
    if route.is_time and micros % MINUTE_MICROS:
        raise _no_minutes()
    if not 0 <= tally <= COUNT_MAX:
        raise _no_tally()
    return route, micros, tally


def _require_transfer(transfer: Transfer, step: Step) -> None:
    debit, credit, micros, currency, campaign, project, hour, tally, _ = transfer
    if micros <= 0:
        raise _not_positive()
    between = _between(debit, credit, currency)
    _require_about(between, campaign, project)
    if between.is_time and micros % MINUTE_MICROS:
        raise _no_minutes()
    # A reversal has the hour of what it reverses, whatever its own accounts are.
    _require_hour(hour, between.needs_hour and step.kind is not StepKind.REVERSE)
    if not 0 <= tally <= COUNT_MAX:
        raise _no_tally()
    _require_step(step)


@lru_cache(maxsize=65_536)
def _route_of(
    debit: str, credit: str, currency: str, campaign: str, project: str, hour: datetime | None
) -> Route:
    """The one route of this kind. Raises the Fault of what is wrong with it."""
    between = _between(debit, credit, currency)
    _require_about(between, campaign, project)
    _require_hour(hour, between.needs_hour)
    return Route(
        _name_of(debit, currency),
        _name_of(credit, currency),
        campaign,
        project,
        hour,
        seal.rfc3339(hour) if hour else "",
        seal.line_start("transfer", debit, credit),
        seal.line_middle(currency, campaign, project, hour),
        between.is_time,
        counted_of(debit, credit, currency, campaign, project, hour),
    )


@lru_cache(maxsize=65_536)
def _name_of(code: str, currency: str) -> AccountName:
    """The same object for all routes, which every table finds without comparing its text."""
    return AccountName(code, currency)


def _require_about(between: "_Between", campaign: str, project: str) -> None:
    if between.project is not None and project != between.project:
        raise _invalid("project", f"must be {between.project!r}, as the accounts say")
    if campaign and not _is_code(campaign):
        raise _invalid("campaign", "must be empty or 1 to 64 of a-z 0-9 . _ -")
    if project and not _is_code(project):
        raise _invalid("project", "must be empty or 1 to 64 of a-z 0-9 . _ -")


@lru_cache(maxsize=4_096)
def _require_hour(hour: datetime | None, is_needed: bool) -> None:
    if hour is None:
        if is_needed:
            raise Fault(
                Reason.FIELD_REQUIRED,
                "a movement that only gifts make needs the UTC hour of its gifts",
                field="hour",
            )
    elif hour.minute or hour.second or hour.microsecond or not EARLIEST <= hour < LATEST:
        raise _invalid("hour", "must be a whole UTC hour of the years 2000 to 2999")


def _require_step(step: Step) -> None:
    if step.kind is StepKind.EXPIRE:
        raise _invalid("expires", "is the ledger's own; void the hold, or let its time run out")
    if step.of is not None and not (0 < step.of.sequence <= INT64_MAX and step.of.position >= 0):
        raise _invalid("step", "must name an entry's sequence, from 1, and a position, from 0")
    if step.expire_time is not None and not EARLIEST <= step.expire_time < LATEST:
        raise _invalid("hold.expire_time", "must lie in the years 2000 to 2999")


class _Between(NamedTuple):
    """What transfers between two accounts must be.

    project: theirs; "" in suspense; None if open. needs_hour: only gifts make them. is_time: their
    amounts are minutes.
    """

    project: str | None
    needs_hour: bool
    is_time: bool


@lru_cache(maxsize=65_536)
def _between(debit: str, credit: str, currency: str) -> _Between:
    if currency != MINUTES:
        require_currency(currency)
    if debit == credit:
        raise _invalid("credit_account", "must not be the debited account")
    for code in (debit, credit):
        require_unit(AccountName(code, currency))
    movement = movement_of(debit, credit)
    hourly = movement is not None and movement.hourly
    return _Between(_project_of(debit, credit), hourly, currency == MINUTES)


def _project_of(debit: str, credit: str) -> str | None:
    """The project that a transfer between these accounts is for; "" in suspense; None if open."""
    places = (place(debit), place(credit))
    funds = {found.owner for found in places if found.row in _OF_PROJECTS}
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


def _not_positive() -> Fault:
    return Fault(
        Reason.AMOUNT_NOT_POSITIVE,
        "a transfer moves a positive amount; to move money back swap the accounts",
        field="amount",
    )


def _no_minutes() -> Fault:
    return _invalid("amount", "must be whole minutes, of 1,000,000 micros each")


def _no_tally() -> Fault:
    return _invalid("count", f"must be 0 to {COUNT_MAX:,}")


def _invalid(field: str, rule: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, f"{field} {rule}", field=field)
