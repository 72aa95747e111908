"""What the books must say in the end, added up from the gifts themselves, not from messages."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.cli.simulator.reports import Gift, Refund


class State(StrEnum):
    """Where money stands, in the ledger's words."""

    CLAIMED = "claimed"
    SUSPENSE = "suspense"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One total: a project ("" in suspense) and a state, of one partner's gifts."""

    partner: str
    project: str
    state: State


@dataclass(frozen=True, slots=True)
class Expectation:
    """The independent sums and counts. Everything here holds whatever the order of the messages.

    micros: claimed and suspense net of refunds; refunded as given back. Cells of zero are left out.
    counts: how many gifts came into each cell. A gift that was refunded in parts came once into
        refunded, and has not left the cell that it was in before.
    refunds: how many refunds there were.
    """

    micros: Mapping[Cell, int]
    counts: Mapping[Cell, int]
    refunds: int

    @property
    def total_micros(self) -> int:
        """What stands in the partners' claimed accounts: claimed and suspense, net of refunds."""
        return sum(m for cell, m in self.micros.items() if cell.state is not State.REFUNDED)

    @property
    def gift_count(self) -> int:
        """All gifts."""
        return sum(n for cell, n in self.counts.items() if cell.state is not State.REFUNDED)

    @property
    def suspended_count(self) -> int:
        """The gifts that came into suspense."""
        return sum(n for cell, n in self.counts.items() if cell.state is State.SUSPENSE)


def add_up(
    gifts: Iterable[Gift], refunds: Iterable[Refund], projects: Iterable[str]
) -> Expectation:
    """Adds up gifts and refunds, each given once, against the projects that exist.

    A gift's refunds together never exceed it: the caller's promise, asserted here.
    """
    known = frozenset(projects)
    micros: Counter[Cell] = Counter()
    counts: Counter[Cell] = Counter()
    left: dict[tuple[str, str], int] = {}
    for gift in gifts:
        cell = _standing(gift, known)
        micros[cell] += gift.amount_micros
        counts[cell] += 1
        assert (gift.partner, gift.external_id) not in left, "a gift is given once"
        left[gift.partner, gift.external_id] = gift.amount_micros
    refund_count = 0
    for refund in refunds:
        gift = refund.gift
        cell = _standing(gift, known)
        micros[cell] -= refund.amount_micros
        refunded = Cell(cell.partner, cell.project, State.REFUNDED)
        micros[refunded] += refund.amount_micros
        if left[gift.partner, gift.external_id] == gift.amount_micros:
            counts[refunded] += 1
        left[gift.partner, gift.external_id] -= refund.amount_micros
        assert left[gift.partner, gift.external_id] >= 0, "no gift is refunded beyond its amount"
        refund_count += 1
    return Expectation({c: m for c, m in micros.items() if m}, dict(counts), refund_count)


def _standing(gift: Gift, known: frozenset[str]) -> Cell:
    if gift.project in known:
        return Cell(gift.partner, gift.project, State.CLAIMED)
    return Cell(gift.partner, "", State.SUSPENSE)
