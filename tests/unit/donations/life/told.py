"""What companies may tell of a gift of 100, for tests of the life of gifts."""

from collections import Counter
from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from services.donations.domain import Attribution, Line, LineKind, Purpose, Refund
from services.donations.life.lines import move_lines
from services.donations.life.position import (
    Move,
    Position,
    in_currency,
    moves_between,
    position_of,
    taken_back,
)
from services.donations.life.reports import STAGES, Dispute, DisputeStatus, Fact, StageEvent, Told
from services.donations.life.transitions import movements_of
from tests.unit.donations.gifts import a_gift, a_refund

AMOUNT = 100


def a_dispute(
    status: DisputeStatus = DisputeStatus.OPENED,
    amount_micros: int = AMOUNT,
    dispute_id: str = "d1",
    **changes: str,
) -> Dispute:
    """A dispute of the gift of `gifts.py`, but for the changes."""
    fields = {"partner": "weibo", "external_id": "20190905-0001", "currency": "CNY"} | changes
    return Dispute(
        fields["partner"],
        fields["external_id"],
        dispute_id,
        status,
        amount_micros,
        fields["currency"],
        a_gift().event_time_micros + 1,
    )


def a_stage(stage: object, event_id: str = "", **changes: str) -> StageEvent:
    """A stage of that gift."""
    fields = {"partner": "weibo", "external_id": "20190905-0001"} | changes
    found = next(each for each in STAGES if each == stage)
    return StageEvent(
        fields["partner"],
        fields["external_id"],
        event_id or found.name,
        found,
        a_gift().event_time_micros + 2,
    )


facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(
        lambda number, micros: a_refund(f"r{number}", amount_micros=micros, cumulative=number > 2),
        st.integers(1, 4),
        st.integers(1, 150),
    ),
    st.builds(
        a_dispute, st.sampled_from(DisputeStatus), st.integers(1, 120), st.sampled_from(["a", "b"])
    ),
    st.builds(a_stage, st.sampled_from(STAGES)),
)


def told(given: Iterable[Fact]) -> Told:
    """All of it, told by one company."""
    every = list(given)
    return Told(
        [fact for fact in every if isinstance(fact, Refund)],
        [fact for fact in every if isinstance(fact, Dispute)],
        [fact for fact in every if isinstance(fact, StageEvent)],
    )


def position(
    *companies: Sequence[Fact],
    suspended: bool = False,
    joined: bool = False,
    allocated: bool = False,
) -> Position:
    """The position of a gift of 100."""
    every = [in_currency(told(company), "CNY") for company in companies]
    return position_of(AMOUNT, every, suspended=suspended, joined=joined, allocated=allocated)


class Books:
    """What booking one position after the other leaves."""

    def __init__(self, purpose: Purpose = Purpose.CHARITY) -> None:
        self.purpose = purpose
        self.allocated: Attribution | None = None
        self.lines: list[Line] = []
        self.moves: list[tuple[LineKind, int]] = []
        self.accounts: Counter[str] = Counter()
        self.tallies: Counter[LineKind] = Counter()

    def allocate(self, position: Position, project: str = "books") -> None:
        """Books what is so from now on, in a project that the gift did not name.

        project: empty for back in suspense.
        """
        if self.allocated is not None:
            self._write(taken_back(self.moves))
        self.purpose = Purpose.CHARITY if project else Purpose.UNATTRIBUTED
        self.allocated = Attribution(project, "week") if project else None
        self.book(position)

    def book(self, position: Position) -> None:
        """Books the difference."""
        self._write(moves_between(self.moves, position.flows))

    def _write(self, difference: Sequence[Move]) -> None:
        gift = a_gift(amount_micros=AMOUNT)
        self.moves += [(move.kind, move.micros) for move in difference]
        for line in move_lines(gift, self.purpose, "aid", difference, self.allocated):
            assert line.micros > 0
            self.lines.append(line)
            self.tallies[line.kind] += line.gift_count
            for debit, credit in movements_of(line):
                self.accounts[debit] += line.micros
                self.accounts[credit] -= line.micros

    @property
    def balances(self) -> dict[str, int]:
        """Debits less credits, of the accounts that hold anything."""
        return {account: micros for account, micros in self.accounts.items() if micros}
