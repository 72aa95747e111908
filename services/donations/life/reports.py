"""What companies report of a gift besides the gift itself, and which gift a report is about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from services.donations.domain import Key, Refund
from services.donations.life.transitions import State

RAILS = frozenset({"alipay", "stripe", "tencent"})
"""The companies that move other companies' money. Only they can be a gift's rail; what they report
of their own has no other rail.
"""


def can_name(partner: str, rail: str) -> bool:
    """Whether a partner's report may say that its gift was paid on a rail."""
    return rail in RAILS and partner not in RAILS


STAGES = (State.SETTLED, State.RECEIVED, State.SPENT)
"""What finance reports of gifts, each only after the one before."""


class DisputeStatus(IntEnum):
    """What became of a dispute; numbered as in the proto and in the database."""

    OPENED = 1
    WON = 2
    LOST = 3


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute as its partner reports it: once for each status.

    amount_micros: what is contested; where it was lost, what the payer got.
    """

    partner: str
    external_id: str
    dispute_id: str
    status: DisputeStatus
    amount_micros: int
    currency: str
    event_time_micros: int


@dataclass(frozen=True, slots=True)
class StageEvent:
    """A gift was seen on a platform's bill, on a charity's bank statement or in its report.

    stage: one of STAGES. event_id: of what says so, a line of the bill for example.
    """

    partner: str
    external_id: str
    event_id: str
    stage: State
    event_time_micros: int


Fact = Refund | Dispute | StageEvent


class Link(NamedTuple):
    """The origin's report says that its gift was paid on a rail, under the rail's own id."""

    origin: Key
    rail: Key


@dataclass(frozen=True, slots=True)
class Told:
    """All that one company reports of a gift besides the gift itself, in the gift's currency."""

    refunds: Sequence[Refund] = ()
    disputes: Sequence[Dispute] = ()
    stages: Sequence[StageEvent] = ()

    @property
    def facts(self) -> Sequence[Fact]:
        """All of it."""
        return (*self.refunds, *self.disputes, *self.stages)

    @property
    def money(self) -> Sequence[Refund | Dispute]:
        """What has an amount."""
        return (*self.refunds, *self.disputes)


class Sum(NamedTuple):
    """What a company says that was given."""

    micros: int
    currency: str


@dataclass(frozen=True, slots=True)
class Family:
    """Which gift each report belongs to. links: of every rail in question all of them. sums: of the
    reports that are recorded.

    A rail's report and an origin's that names it are of one gift where they tell of the same sum.
    Of several such origins the least has the rail's report, whichever came first.
    """

    links: frozenset[Link] = frozenset()
    sums: Mapping[Key, Sum] = field(default_factory=dict)
    _origins: Mapping[Key, Key] = field(init=False, repr=False)
    _rails: Mapping[Key, Sequence[Key]] = field(init=False, repr=False)
    _contradictors: Mapping[Key, Key] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        origins: dict[Key, Key] = {}
        contradictors: dict[Key, Key] = {}
        for link in sorted(self.links):
            if self.is_contradicted(link):
                contradictors[link.origin] = link.rail
            else:
                origins.setdefault(link.rail, link.origin)
        rails: dict[Key, list[Key]] = {}
        for rail, origin in origins.items():
            rails.setdefault(origin, []).append(rail)
        object.__setattr__(self, "_origins", origins)
        object.__setattr__(self, "_rails", rails)
        object.__setattr__(self, "_contradictors", contradictors)

    @property
    def members(self) -> frozenset[Key]:
        """Every report that is linked."""
        return frozenset(key for link in self.links for key in link)

    def is_contradicted(self, link: Link) -> bool:
        """Whether the rail tells of another sum than the origin that names it."""
        rail, origin = self.sums.get(link.rail), self.sums.get(link.origin)
        return rail is not None and origin is not None and rail != origin

    def contradictor_of(self, origin: Key) -> Key | None:
        """The rail's report that an origin names, if that tells of another sum."""
        return self._contradictors.get(origin)

    def counts_elsewhere(self, key: Key) -> bool:
        """Whether a recorded report counts nothing: its money is counted by another's."""
        return self.origin_of(key) is not None or self.contradictor_of(key) is not None

    def origin_of(self, rail: Key) -> Key | None:
        """Whose gift a rail's report is about; None if nobody says that it is his."""
        return self._origins.get(rail)

    def rails_of(self, origin: Key) -> Sequence[Key]:
        """The rails' reports that are about this gift; at most one."""
        return self._rails.get(origin, ())

    def related(self, keys: Iterable[Key]) -> frozenset[Key]:
        """The keys with all that share a rail's report with them."""
        wanted = set(keys)
        rails = {link.rail for link in self.links if link.origin in wanted or link.rail in wanted}
        return frozenset(
            wanted | {key for link in self.links if link.rail in rails for key in link}
        )
