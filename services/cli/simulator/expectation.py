"""What the books must say in the end, added up from the gifts themselves, not from messages."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.cli.simulator.occasion import EPOCH
from services.cli.simulator.reports import Dispute, DisputeStatus, Gift, Refund


class State(StrEnum):
    """Where money stands, in the ledger's words."""

    CLAIMED = "claimed"
    SUSPENSE = "suspense"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


STANDING = (State.CLAIMED, State.SUSPENSE)
"""Where each gift comes into the books."""


class Purpose(StrEnum):
    """What money is for, in the contract's words."""

    CHARITY = "charity"
    APPEAL = "appeal"
    UNATTRIBUTED = "unattributed"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One total: of one partner's gifts in one currency to a project or an appeal ("" in suspense).

    purpose: what the project is; nothing is ever added up over purposes, or over currencies.
    hour: the UTC hour in which the gifts were made.
    """

    partner: str
    project: str
    state: State
    currency: str = "CNY"
    purpose: Purpose = Purpose.CHARITY
    hour: datetime = EPOCH

    def __str__(self) -> str:
        where = f"{self.partner} {self.project or '-'} {self.state}"
        return f"{where} {self.currency} {self.purpose} {self.hour:%Y-%m-%dT%HZ}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The independent sums and counts. Everything here holds whatever the order of the messages.

    micros: claimed and suspense net of refunds and open disputes; refunded as given back, by
        refunds or by disputes that were lost. Cells of zero are left out.
    counts: how many gifts came into each cell. A gift that was refunded in parts came once into
        refunded, and has not left the cell that it was in before.
    refunds: how many refunds there were. disputes: how many disputes ended so, or are open.
    """

    micros: Mapping[Cell, int]
    counts: Mapping[Cell, int]
    refunds: int
    disputes: Mapping[DisputeStatus, int]

    @property
    def total_micros(self) -> Mapping[str, int]:
        """What stands in the partners' claimed accounts, by currency: the rest has left."""
        return claimed_in_all(self.micros)

    @property
    def gift_count(self) -> int:
        """All gifts."""
        return sum(n for cell, n in self.counts.items() if cell.state in STANDING)

    @property
    def suspended_count(self) -> int:
        """The gifts that came into suspense."""
        return sum(n for cell, n in self.counts.items() if cell.state is State.SUSPENSE)


def claimed_in_all(micros: Mapping[Cell, int]) -> dict[str, int]:
    """What cells of claimed and suspense come to, by currency; the rest has left them."""
    sums: Counter[str] = Counter()
    for cell, amount in micros.items():
        if cell.state in STANDING:
            sums[cell.currency] += amount
    return dict(sorted(sums.items()))


def add_up(
    gifts: Iterable[Gift],
    refunds: Iterable[Refund],
    disputes: Iterable[Dispute],
    projects: Iterable[str],
    appeals: Iterable[str] = (),
) -> Expectation:
    """Adds up gifts, refunds and disputes, each given once, against what can be given to.

    What a gift's refunds and disputes come to never exceeds it: the caller's promise, asserted
    here. A gift on another company's rail is its own partner's; what the rail's company tells of it
    is the same gift and is not given here.
    """
    known = dict.fromkeys(projects, Purpose.CHARITY) | dict.fromkeys(appeals, Purpose.APPEAL)
    books = _Books(known)
    for gift in gifts:
        books.give(gift)
    refund_count = 0
    for refund in refunds:
        books.move(refund.gift, refund.amount_micros, State.REFUNDED)
        refund_count += 1
    # Each dispute as it stands in the end: an end counts, its opening only where there is none.
    standing: dict[tuple[str, str], Dispute] = {}
    for dispute in disputes:
        key = dispute.gift.partner, dispute.dispute_id
        if dispute.status is not DisputeStatus.OPENED or key not in standing:
            standing[key] = dispute
    for dispute in standing.values():
        if dispute.status is DisputeStatus.LOST:
            books.move(dispute.gift, dispute.amount_micros, State.REFUNDED)
        elif dispute.status is DisputeStatus.OPENED:
            books.move(dispute.gift, dispute.amount_micros, State.DISPUTED)
    return Expectation(
        {c: m for c, m in books.micros.items() if m},
        dict(books.counts),
        refund_count,
        Counter(dispute.status for dispute in standing.values()),
    )


class _Books:
    """Sums by cell, and what is left of each gift where it came in."""

    def __init__(self, known: Mapping[str, Purpose]) -> None:
        self.micros: Counter[Cell] = Counter()
        self.counts: Counter[Cell] = Counter()
        self._known = known
        self._left: dict[tuple[str, str], int] = {}
        self._moved: set[tuple[str, str, State]] = set()

    def give(self, gift: Gift) -> None:
        cell = self._standing(gift)
        self.micros[cell] += gift.amount_micros
        self.counts[cell] += 1
        assert (gift.partner, gift.external_id) not in self._left, "a gift is given once"
        self._left[gift.partner, gift.external_id] = gift.amount_micros

    def move(self, gift: Gift, micros: int, to: State) -> None:
        """Takes a part of a gift from where it stands to another state."""
        source = self._standing(gift)
        if to is State.DISPUTED and source.state is State.SUSPENSE:
            return  # it waits until the gift is attributed
        target = replace(source, state=to)
        self.micros[source] -= micros
        self.micros[target] += micros
        key = gift.partner, gift.external_id
        if (*key, to) not in self._moved:
            self._moved.add((*key, to))
            self.counts[target] += 1
        self._left[key] -= micros
        assert self._left[key] >= 0, "no more of a gift is moved than there is"

    def _standing(self, gift: Gift) -> Cell:
        hour = gift.event_time.replace(minute=0, second=0, microsecond=0)
        if gift.project in self._known:
            purpose = self._known[gift.project]
            return Cell(gift.partner, gift.project, State.CLAIMED, gift.currency, purpose, hour)
        return Cell(gift.partner, "", State.SUSPENSE, gift.currency, Purpose.UNATTRIBUTED, hour)
