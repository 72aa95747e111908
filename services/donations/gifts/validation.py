"""What a report must fulfil before it may be recorded: the same rules for one gift and for columns.

`Refusal` is the list of what can be wrong, in the order in which it is looked for; a test holds the
two ways of looking equal.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from services.donations.domain import Gift, Rail, Refund, micros_of
from services.donations.life.reports import RAILS, Dispute, StageEvent, can_name
from services.runtime.currency import CURRENCIES
from services.runtime.errors import Fault, Reason

ID_LENGTH_MAX = 64
AMOUNT_MICROS_MAX = 1_000_000_000 * 1_000_000
"""A thousand million units of the currency."""
DONOR_REFERENCE_BYTES_MAX = 128
AHEAD_MAX = timedelta(minutes=10)
"""How far the clocks of partners may run ahead of ours."""

EARLIEST_MICROS = 946_684_800_000_000  # 2000-01-01T00:00:00Z

_ID = re.compile(rf"[!-~]{{1,{ID_LENGTH_MAX}}}")
_CODE = re.compile(r"[a-z0-9._-]{1,64}")


class Refusal(IntEnum):
    """Why a gift cannot be recorded."""

    NONE = 0
    EXTERNAL_ID_MISSING = 1
    EXTERNAL_ID_MALFORMED = 2
    PROJECT_MISSING = 3
    PROJECT_MALFORMED = 4
    CAMPAIGN_MALFORMED = 5
    AMOUNT_NOT_POSITIVE = 6
    AMOUNT_OVER_LIMIT = 7
    CURRENCY_UNKNOWN = 8
    EVENT_TIME_TOO_EARLY = 9
    EVENT_TIME_IN_FUTURE = 10
    DONOR_REFERENCE_TOO_LONG = 11
    RAIL_INVALID = 12


class Explanation(NamedTuple):
    """What a refusal tells its sender."""

    reason: Reason
    message: str
    metadata: Mapping[str, str]

    def fault(self) -> Fault:
        """The refusal of a whole call."""
        fault = Fault(self.reason, self.message)
        fault.metadata.update(self.metadata)
        return fault


def _explain(reason: Reason, message: str, **metadata: str) -> Explanation:
    return Explanation(reason, message, MappingProxyType(metadata))


_ID_RULE = "1 to 64 printable ASCII characters without spaces"
_CODE_RULE = "1 to 64 characters of a-z, 0-9, '.', '_' and '-'"

EXPLANATIONS: Mapping[Refusal, Explanation] = {
    Refusal.EXTERNAL_ID_MISSING: _explain(
        Reason.FIELD_REQUIRED, "send your own id of the gift", field="external_id"
    ),
    Refusal.EXTERNAL_ID_MALFORMED: _explain(
        Reason.FIELD_INVALID, f"external_id must be {_ID_RULE}", field="external_id"
    ),
    Refusal.PROJECT_MISSING: _explain(
        Reason.FIELD_REQUIRED, "name the project the gift is for", field="project"
    ),
    Refusal.PROJECT_MALFORMED: _explain(
        Reason.FIELD_INVALID, f"project must be {_CODE_RULE}", field="project"
    ),
    Refusal.CAMPAIGN_MALFORMED: _explain(
        Reason.FIELD_INVALID, f"campaign must be empty or {_CODE_RULE}", field="campaign"
    ),
    Refusal.AMOUNT_NOT_POSITIVE: _explain(
        Reason.AMOUNT_NOT_POSITIVE, "an amount must be positive", field="amount"
    ),
    Refusal.AMOUNT_OVER_LIMIT: _explain(
        Reason.AMOUNT_OVER_LIMIT,
        "an amount must be at most 1,000,000,000 units of the currency",
        field="amount",
        limit_micros=str(AMOUNT_MICROS_MAX),
    ),
    Refusal.CURRENCY_UNKNOWN: _explain(
        Reason.CURRENCY_UNKNOWN,
        "the currency is no ISO 4217 code in use; send three capitals such as CNY",
        field="currency_code",
    ),
    Refusal.EVENT_TIME_TOO_EARLY: _explain(
        Reason.FIELD_INVALID, "event_time must not lie before the year 2000", field="event_time"
    ),
    Refusal.EVENT_TIME_IN_FUTURE: _explain(
        Reason.EVENT_TIME_IN_FUTURE,
        "event_time is more than ten minutes ahead of the server's clock; check yours",
        field="event_time",
    ),
    Refusal.DONOR_REFERENCE_TOO_LONG: _explain(
        Reason.FIELD_INVALID, "donor_reference must be at most 128 bytes", field="donor_reference"
    ),
    Refusal.RAIL_INVALID: _explain(
        Reason.FIELD_INVALID,
        f"rail must be one of {', '.join(sorted(RAILS))}, with its own id of the payment in "
        f"rail_id ({_ID_RULE}); a rail's own reports name none",
        field="rail",
    ),
}


def is_external_id(text: str) -> bool:
    """Whether text can be a partner's id of something."""
    return _ID.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """Whether text can be the code of a project, a campaign, a charity or a stream."""
    return _CODE.fullmatch(text) is not None


@lru_cache(maxsize=1)  # what comes together is held against one moment
def latest_micros(now: datetime) -> int:
    """The latest moment that an event may have happened at, for a server that reads now."""
    return micros_of(now + AHEAD_MAX)


def refusal_of(gift: Gift, latest: int, *, project_required: bool = True) -> Refusal:
    """What is wrong with a gift first; NONE if nothing is. latest: see latest_micros.

    project_required: false for notices, where a gift without a project is real and stands in
    suspense.
    """
    if not gift.external_id:
        return Refusal.EXTERNAL_ID_MISSING
    if not is_external_id(gift.external_id):
        return Refusal.EXTERNAL_ID_MALFORMED
    if not gift.project:
        if project_required:
            return Refusal.PROJECT_MISSING
    elif not is_code(gift.project):
        return Refusal.PROJECT_MALFORMED
    if gift.campaign and not is_code(gift.campaign):
        return Refusal.CAMPAIGN_MALFORMED
    return (
        _money_refusal(gift.amount_micros, gift.currency)
        or _time_refusal(gift.event_time_micros, latest)
        or rail_refusal(gift.partner, gift.rail)
    )


def rail_refusal(partner: str, rail: Rail | None) -> Refusal:
    """What is wrong with the rail that a partner's gift names, if it names one."""
    if rail is None or (can_name(partner, rail.code) and is_external_id(rail.external_id)):
        return Refusal.NONE
    return Refusal.RAIL_INVALID


def require_gift(gift: Gift, now: datetime, *, project_required: bool = True) -> Gift:
    """Returns the gift if it may be recorded; raises its refusal's Fault otherwise."""
    _require(refusal_of(gift, latest_micros(now), project_required=project_required))
    return gift


def require_refund(refund: Refund, now: datetime) -> Refund:
    """Returns the refund if it may be recorded; raises Fault otherwise, as for a gift."""
    require_external_id(refund.external_id)
    _require_id(refund.refund_id, "refund_id", "refund")
    _require(_money_refusal(refund.amount_micros, refund.currency))
    require_event_time(refund.event_time_micros, latest_micros(now))
    return refund


def require_dispute(dispute: Dispute, now: datetime) -> Dispute:
    """Returns the dispute if it may be recorded; raises Fault otherwise, as for a gift."""
    require_external_id(dispute.external_id)
    _require_id(dispute.dispute_id, "dispute_id", "dispute")
    _require(_money_refusal(dispute.amount_micros, dispute.currency))
    require_event_time(dispute.event_time_micros, latest_micros(now))
    return dispute


def require_stage(event: StageEvent, now: datetime) -> StageEvent:
    """Returns the event if it may be recorded; raises Fault otherwise, as for a gift."""
    require_external_id(event.external_id)
    _require_id(event.event_id, "event_id", "event")
    require_event_time(event.event_time_micros, latest_micros(now))
    return event


def _require_id(text: str, field: str, of: str) -> None:
    if not text:
        raise Fault(Reason.FIELD_REQUIRED, f"send your own id of the {of}", field=field)
    if not is_external_id(text):
        raise Fault(Reason.FIELD_INVALID, f"{field} must be {_ID_RULE}", field=field)


def require_external_id(text: str) -> str:
    """Returns text if it can be a gift's id; raises Fault otherwise."""
    if not is_external_id(text):
        _require(Refusal.EXTERNAL_ID_MALFORMED if text else Refusal.EXTERNAL_ID_MISSING)
    return text


def require_event_time(micros: int, latest: int) -> None:
    """Raises Fault unless something may have happened at a moment. latest: see latest_micros."""
    _require(_time_refusal(micros, latest))


def require_code(text: str, field: str) -> str:
    """Returns text if it is a code; raises Fault naming the field otherwise."""
    if not text:
        raise Fault(Reason.FIELD_REQUIRED, f"{field} is required", field=field)
    if not is_code(text):
        raise Fault(Reason.FIELD_INVALID, f"{field} must be {_CODE_RULE}", field=field)
    return text


def require_donor_reference(text: str) -> str:
    """Returns text if it is short enough; raises Fault otherwise."""
    if len(text.encode()) > DONOR_REFERENCE_BYTES_MAX:
        _require(Refusal.DONOR_REFERENCE_TOO_LONG)
    return text


def _money_refusal(amount_micros: int, currency: str) -> Refusal:
    if amount_micros <= 0:
        return Refusal.AMOUNT_NOT_POSITIVE
    if amount_micros > AMOUNT_MICROS_MAX:
        return Refusal.AMOUNT_OVER_LIMIT
    return Refusal.NONE if currency in CURRENCIES else Refusal.CURRENCY_UNKNOWN


def _time_refusal(event_time_micros: int, latest: int) -> Refusal:
    if event_time_micros < EARLIEST_MICROS:
        return Refusal.EVENT_TIME_TOO_EARLY
    return Refusal.EVENT_TIME_IN_FUTURE if event_time_micros > latest else Refusal.NONE


def _require(refusal: Refusal) -> None:
    if refusal:
        raise EXPLANATIONS[refusal].fault()
