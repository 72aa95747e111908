"""What a reader asks of the totals: which gifts to count, and what to tell apart."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from hashlib import sha256

from services.gateway.domain import Purpose, TotalState
from services.runtime.errors import Fault, Reason

VALUES_MAX = 1_000
"""Values in one field of a filter."""

_CODE = re.compile(r"[a-z0-9._-]{0,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Dimension(IntEnum):
    """What rows can be told apart by, besides state, currency and purpose; numbered as in the
    proto.
    """

    CAMPAIGN = 1
    PROJECT = 2
    PARTNER = 3
    HOUR = 4


@dataclass(frozen=True, slots=True)
class Filter:
    """Which gifts to count. An empty set, or None, leaves its dimension open.

    An empty code means the gifts that have none: `projects={""}` is the money in suspense.
    start, end: only gifts of UTC hours from start on, and before end.
    """

    campaigns: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    partners: frozenset[str] = frozenset()
    currencies: frozenset[str] = frozenset()
    states: frozenset[TotalState] = frozenset()
    purposes: frozenset[Purpose] = frozenset()
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        for name, codes in (
            ("campaigns", self.campaigns),
            ("projects", self.projects),
            ("partners", self.partners),
        ):
            _require(codes, _CODE, name, "codes have at most 64 of a-z 0-9 . _ -")
        _require(
            self.currencies, _CURRENCY, "currency_codes", "write ISO 4217 codes in capitals: CNY"
        )
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise _invalid("filter.end_time", "end_time must lie after start_time")


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the totals. Raises Fault(FIELD_INVALID) when made of impossible parts.

    group_by: the dimensions that rows carry, in this order; none twice.
    """

    filter: Filter = field(default_factory=Filter)
    group_by: tuple[Dimension, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.group_by)) != len(self.group_by):
            raise _invalid("group_by", "name each dimension once")

    @property
    def about_partners(self) -> bool:
        """Whether the answer tells partners apart, or one of them from the rest."""
        return bool(self.filter.partners) or Dimension.PARTNER in self.group_by

    def digest(self) -> bytes:
        """Eight bytes that differ where queries differ."""
        chosen = self.filter
        parts = (
            sorted(chosen.campaigns),
            sorted(chosen.projects),
            sorted(chosen.partners),
            sorted(chosen.currencies),
            sorted(map(int, chosen.states)),
            sorted(map(int, chosen.purposes)),
            chosen.start and chosen.start.isoformat(),
            chosen.end and chosen.end.isoformat(),
            list(map(int, self.group_by)),
        )
        return sha256(repr(parts).encode()).digest()[:8]


def _require(codes: frozenset[str], form: re.Pattern[str], field: str, rule: str) -> None:
    if len(codes) > VALUES_MAX:
        raise _invalid(f"filter.{field}", f"name at most {VALUES_MAX:,}, or leave the filter open")
    for code in codes:
        if not form.fullmatch(code):
            raise _invalid(f"filter.{field}", f"{code[:64]!r} cannot be a value of {field}: {rule}")


def _invalid(field: str, message: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, message, field=field)
