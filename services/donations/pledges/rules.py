"""What a pledge must fulfil before it may be created, or ended."""

from datetime import datetime, timedelta

from services.donations.domain import micros_of
from services.donations.gifts.validation import (
    AMOUNT_MICROS_MAX,
    EARLIEST_MICROS,
    EXPLANATIONS,
    Refusal,
    require_code,
    require_donor_reference,
)
from services.donations.pledges.pledge import MILLION, SHARES_MAX, Pledge
from services.runtime.currency import CURRENCIES
from services.runtime.errors import Fault, Reason

RATE_PPM_MIN = 1_000
UNIT_MICROS_MAX = 1_000_000
WEIGHT_MAX = 1_000_000
VERSIONS_MAX = 1_000
LATEST_MICROS = 253_402_300_800_000_000  # the end of year 9999

LEAD = timedelta(minutes=15)
"""How long before it takes effect a second version, or an end, must be known.

An order may carry a time ten minutes ahead (validation.AHEAD_MAX), and each process knows pledges
as they were up to a minute ago (memory.FRESH_S): with this lead no order can have been evaluated
without it, and every repeat is evaluated as the first report was.
"""


def require_pledge(pledge: Pledge) -> Pledge:
    """Returns the pledge; raises Fault(FIELD_REQUIRED, FIELD_INVALID or CURRENCY_UNKNOWN)."""
    require_code(pledge.code, "pledge.code")
    if pledge.currency not in CURRENCIES:
        raise EXPLANATIONS[Refusal.CURRENCY_UNKNOWN].fault()
    _require_range(pledge.unit_micros, 1, UNIT_MICROS_MAX, "pledge.unit_micros")
    if pledge.fixed_micros:
        _require_range(pledge.fixed_micros, 1, AMOUNT_MICROS_MAX, "pledge.fixed_micros")
        if pledge.fixed_micros % pledge.unit_micros:
            raise _invalid("pledge.fixed_micros", "must be a multiple of unit_micros")
    else:
        _require_range(pledge.rate_ppm, RATE_PPM_MIN, MILLION, "pledge.rate_ppm")
    if not 1 <= len(pledge.shares) <= SHARES_MAX:
        raise _invalid("pledge.shares", f"must name 1 to {SHARES_MAX} projects")
    for share in pledge.shares:
        require_code(share.project, "pledge.shares.project")
        _require_range(share.weight, 1, WEIGHT_MAX, "pledge.shares.weight")
    if len({share.project for share in pledge.shares}) < len(pledge.shares):
        raise _invalid("pledge.shares", "must not name a project twice; add up its weights")
    if pledge.campaign:
        require_code(pledge.campaign, "pledge.campaign")
    _require_range(pledge.start_micros, EARLIEST_MICROS, LATEST_MICROS, "pledge.start_time")
    if pledge.end_micros is not None:
        _require_range(pledge.end_micros, pledge.start_micros + 1, LATEST_MICROS, "pledge.end_time")
    return pledge


def require_merchant_reference(text: str) -> str:
    """Returns text if it can be a merchant's reference; raises Fault otherwise."""
    if not text:
        raise Fault(
            Reason.FIELD_REQUIRED,
            "merchant_reference is required: the merchant is the donor",
            field="merchant_reference",
        )
    return require_donor_reference(text)


def require_lead(moment_micros: int, now: datetime, field: str) -> None:
    """Raises Fault(FIELD_INVALID) for a moment too soon to change what orders come to."""
    earliest = now + LEAD
    if moment_micros < micros_of(earliest):
        raise _invalid(
            field,
            f"must lie at least {LEAD // timedelta(minutes=1)} minutes ahead: orders that were "
            "evaluated must never be evaluated otherwise",
        )


def require_successor(pledge: Pledge, newest: Pledge, now: datetime) -> None:
    """Raises Fault(FIELD_INVALID) unless a pledge may follow the newest version of its code."""
    if pledge.start_micros <= newest.start_micros:
        raise _invalid(
            "pledge.start_time", f"must be after that of version {newest.version}, the newest"
        )
    if newest.version >= VERSIONS_MAX:
        raise _invalid("pledge.code", f"has {VERSIONS_MAX} versions; use another code")
    require_lead(pledge.start_micros, now, "pledge.start_time")


def _require_range(value: int, least: int, most: int, field: str) -> None:
    if not least <= value <= most:
        raise _invalid(field, f"must be {least} to {most}")


def _invalid(field: str, rule: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, f"{field} {rule}", field=field)
