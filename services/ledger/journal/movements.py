"""What a transfer must fulfil, and what plain movements have in common (routes.py)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from services.ledger.domain import INT64_MAX, AccountName, Step, StepKind, Transfer
from services.ledger.journal import seal
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
from services.ledger.journal.routes import Move, Route
from services.ledger.journal.totals import counted_of, movement_of
from services.runtime.currency import require_currency
from services.runtime.errors import Fault, Reason

MINUTE_MICROS = 1_000_000
COUNT_MAX = 1_000_000_000
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)

_OF_PROJECTS = (FUND, APPEAL_FUND, APPEAL_BANK)


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
    route = route_of(debit, credit, currency, campaign, project, hour)
    if route.is_time and micros % MINUTE_MICROS:
        raise _no_minutes()
    _require_tally(tally)
    return route, micros, tally


def moves_of(routes: Sequence[Route], micros: Sequence[int], tallies: Sequence[int]) -> list[Move]:
    """What `move_of` makes of each of many movements, given in columns.

    Raises the Fault of one that is wrong, which does not tell of which.
    """
    if not micros:
        return []
    if min(micros) <= 0:
        raise _not_positive()
    _require_tally(min(tallies))
    _require_tally(max(tallies))
    moves = list(zip(routes, micros, tallies, strict=True))
    for route, amount, _ in moves:
        if route.is_time and amount % MINUTE_MICROS:
            raise _no_minutes()
    return moves


def require_transfer(transfer: Transfer, step: Step) -> None:
    debit, credit, micros, currency, campaign, project, hour, tally, _ = transfer
    if micros <= 0:
        raise _not_positive()
    between = _between(debit, credit, currency)
    _require_about(between, campaign, project)
    if between.is_time and micros % MINUTE_MICROS:
        raise _no_minutes()
    # A reversal has the hour of what it reverses, whatever its own accounts are.
    _require_hour(hour, between.needs_hour and step.kind is not StepKind.REVERSE)
    _require_tally(tally)
    _require_step(step)


@lru_cache(maxsize=65_536)
def route_of(
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
        raise invalid("project", f"must be {between.project!r}, as the accounts say")
    if campaign and not _is_code(campaign):
        raise invalid("campaign", "must be empty or 1 to 64 of a-z 0-9 . _ -")
    if project and not _is_code(project):
        raise invalid("project", "must be empty or 1 to 64 of a-z 0-9 . _ -")


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
        raise invalid("hour", "must be a whole UTC hour of the years 2000 to 2999")


def _require_step(step: Step) -> None:
    if step.kind is StepKind.EXPIRE:
        raise invalid("expires", "is the ledger's own; void the hold, or let its time run out")
    if step.of is not None and not (0 < step.of.sequence <= INT64_MAX and step.of.position >= 0):
        raise invalid("step", "must name an entry's sequence, from 1, and a position, from 0")
    if step.expire_time is not None and not EARLIEST <= step.expire_time < LATEST:
        raise invalid("hold.expire_time", "must lie in the years 2000 to 2999")


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
        raise invalid("credit_account", "must not be the debited account")
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


def _not_positive() -> Fault:
    return Fault(
        Reason.AMOUNT_NOT_POSITIVE,
        "a transfer moves a positive amount; to move money back swap the accounts",
        field="amount",
    )


def _no_minutes() -> Fault:
    return invalid("amount", "must be whole minutes, of 1,000,000 micros each")


def _require_tally(tally: int) -> None:
    if not 0 <= tally <= COUNT_MAX:
        raise invalid("count", f"must be 0 to {COUNT_MAX:,}")


def invalid(field: str, rule: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, f"{field} {rule}", field=field)
