"""What the books must say in the end, added up from the gifts themselves, not from messages."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from services.cli.simulator.reports import Gift, Refund


class State(StrEnum):
    """Where money stands, in the ledger's words."""

    CLAIMED = "claimed"
    SUSPENSE = "suspense"
    REFUNDED = "refunded"


class Purpose(StrEnum):
    """What money is for, in the contract's words."""

    CHARITY = "charity"
    APPEAL = "appeal"
    UNATTRIBUTED = "unattributed"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One total: of one partner's gifts in one currency to a project or an appeal ("" in suspense).

    purpose: what the project is; nothing is ever added up over purposes, or over currencies.
    """

    partner: str
    project: str
    state: State
    currency: str = "CNY"
    purpose: Purpose = Purpose.CHARITY


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
    def total_micros(self) -> Mapping[str, int]:
        """What stands in the partners' claimed accounts, by currency: net of refunds."""
        return claimed_in_all(self.micros)

    @property
    def gift_count(self) -> int:
        """All gifts."""
        return sum(n for cell, n in self.counts.items() if cell.state is not State.REFUNDED)

    @property
    def suspended_count(self) -> int:
        """The gifts that came into suspense."""
        return sum(n for cell, n in self.counts.items() if cell.state is State.SUSPENSE)


def claimed_in_all(micros: Mapping[Cell, int]) -> dict[str, int]:
    """What cells of claimed and suspense come to, by currency; refunded is what left them."""
    sums: Counter[str] = Counter()
    for cell, amount in micros.items():
        if cell.state is not State.REFUNDED:
            sums[cell.currency] += amount
    return dict(sorted(sums.items()))


def add_up(
    gifts: Iterable[Gift],
    refunds: Iterable[Refund],
    projects: Iterable[str],
    appeals: Iterable[str] = (),
) -> Expectation:
    """Adds up gifts and refunds, each given once, against the projects and appeals that exist.

    A gift's refunds together never exceed it: the caller's promise, asserted here.
    """
    known = dict.fromkeys(projects, Purpose.CHARITY) | dict.fromkeys(appeals, Purpose.APPEAL)
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
        refunded = replace(cell, state=State.REFUNDED)
        micros[refunded] += refund.amount_micros
        if left[gift.partner, gift.external_id] == gift.amount_micros:
            counts[refunded] += 1
        left[gift.partner, gift.external_id] -= refund.amount_micros
        assert left[gift.partner, gift.external_id] >= 0, "no gift is refunded beyond its amount"
        refund_count += 1
    return Expectation({c: m for c, m in micros.items() if m}, dict(counts), refund_count)


def _standing(gift: Gift, known: Mapping[str, Purpose]) -> Cell:
    if gift.project in known:
        purpose = known[gift.project]
        return Cell(gift.partner, gift.project, State.CLAIMED, gift.currency, purpose)
    return Cell(gift.partner, "", State.SUSPENSE, gift.currency, Purpose.UNATTRIBUTED)
