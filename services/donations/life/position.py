"""What should be booked of a gift: a pure function of the set of all reports about it.

Sums, maxima and sets do not care about order, and neither does anything here. A position says how
much has gone along each transition of `transitions.py` in all; a booking writes the difference to
what is booked already, so the books of the same reports are the same however they came.

- What is given back is, for each company that tells of the gift, the sum of its single refunds
  and lost disputes and its greatest running total; of two companies, who tell of the same money,
  the greater; but never more than GIVEN_BACK_MICROS_MAX. Of a gift to a project it
  comes from the project up to the gift's amount, and what exceeds that from the partner's suspense;
  of a gift in suspense all of it does.
- What is contested is what is in open disputes, as far as it was not given back.
- A stage is reached when it was reported and all before it were.
- A rail's report counts nothing where the gift's origin tells of the same sum; where it tells of
  another, the origin's counts nothing.

Of a gift in suspense only refunds move money: its stages and disputes wait until it is attributed.
A gift that finance has allocated is one that was in its project from the start, and what came out
of suspense for it, the whole amount: what was refunded before is taken back there. It counts where
the last decision says; what was booked in another project before is taken back there first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.donations.domain import LineKind
from services.donations.gifts.validation import AMOUNT_MICROS_MAX
from services.donations.life.reports import STAGES, DisputeStatus, StageEvent, Told
from services.donations.life.transitions import BY_KIND, TRANSITIONS, State, is_of_suspense

GIVEN_BACK_MICROS_MAX = 2 * AMOUNT_MICROS_MAX
"""What the books say was given back of one gift, at most. It is more than the greatest gift may be;
the sum of a gift's refunds has no bound of its own, and the books' numbers have 64 bits.
"""

Flows = Mapping[LineKind, int]
"""Micros that went along each transition in all, by its kind; kinds that are 0 are left out."""


class Move(NamedTuple):
    """A part of a booking. gift_count: 1 where the first money goes that way, or the last back."""

    kind: LineKind
    micros: int
    gift_count: int


@dataclass(frozen=True, slots=True)
class Position:
    """flows: besides that of the gift's own row. refunded_micros: at most the amount."""

    flows: Flows
    state: State
    refunded_micros: int


def position_of(
    amount_micros: int,
    told: Sequence[Told],
    *,
    suspended: bool,
    joined: bool,
    allocated: bool = False,
) -> Position:
    """told: one for each company that tells of the gift. joined: the gift is counted elsewhere.
    suspended: it stands in suspense. allocated: it did, and was allocated to a project.
    """
    assert not (suspended and allocated), "what is allocated stands in suspense no more"
    released = (
        {LineKind.RELEASE: amount_micros, LineKind.ALLOCATION: amount_micros} if allocated else {}
    )
    if joined:
        kind = LineKind.SUSPENDED_JOIN if suspended else LineKind.JOIN
        return Position({**released, kind: amount_micros}, State.CLAIMED, 0)
    back = max((_given_back(one) for one in told), default=0)
    refunded = min(back, amount_micros)
    if suspended:
        flows = {LineKind.SUSPENDED_REFUND: back}
    else:
        contested = max((_contested(one) for one in told), default=0)
        disputed = min(contested, amount_micros - refunded)
        stage = stage_of(event for one in told for event in one.stages)
        flows = _flows(amount_micros, refunded, disputed, stage)
        flows[LineKind.SUSPENDED_REFUND] = back - refunded
    flows = {kind: micros for kind, micros in (released | flows).items() if micros}
    came_in = State.SUSPENSE if suspended or allocated else State.CLAIMED
    return Position(flows, _state(amount_micros, flows, refunded, came_in), refunded)


def _flows(amount: int, refunded: int, disputed: int, stage: State) -> dict[LineKind, int]:
    if stage is State.CLAIMED:
        return {LineKind.REFUND: refunded, LineKind.DISPUTE: disputed}
    left = amount - refunded - disputed
    return {
        LineKind.SETTLEMENT: amount,
        LineKind.SETTLED_REFUND: refunded,
        LineKind.SETTLED_DISPUTE: disputed,
        LineKind.RECEIPT: left if stage >= State.RECEIVED else 0,
        LineKind.SPENDING: left if stage >= State.SPENT else 0,
    }


def _given_back(told: Told) -> int:
    single = sum(refund.amount_micros for refund in told.refunds if not refund.cumulative)
    running = max((refund.amount_micros for refund in told.refunds if refund.cumulative), default=0)
    lost = sum(
        dispute.amount_micros for dispute in told.disputes if dispute.status is DisputeStatus.LOST
    )
    return min(single + running + lost, GIVEN_BACK_MICROS_MAX)


def _contested(told: Told) -> int:
    closed = {
        dispute.dispute_id
        for dispute in told.disputes
        if dispute.status is not DisputeStatus.OPENED
    }
    return sum(
        dispute.amount_micros for dispute in told.disputes if dispute.dispute_id not in closed
    )


def stage_of(events: Iterable[StageEvent]) -> State:
    """The furthest stage that was reported with all before it; CLAIMED if none."""
    reported = {event.stage for event in events}
    reached = State.CLAIMED
    for stage in STAGES:
        if stage not in reported:
            break
        reached = stage
    return reached


def _state(amount: int, flows: Flows, refunded: int, came_in: State) -> State:
    """Refunded if all was given back, disputed if any is, else the furthest that any has come.
    came_in: where the gift's own row put it.
    """
    if refunded == amount:
        return State.REFUNDED
    held = dict.fromkeys(State, 0)
    held[came_in] = amount
    for kind, micros in flows.items():
        row = BY_KIND[kind]
        for state, change in ((row.source, -micros), (row.target, micros)):
            if state is not None:
                held[state] += change
    if held[State.DISPUTED]:
        return State.DISPUTED
    return max((stage for stage in STAGES if held[stage]), default=State.CLAIMED)


def moves_between(booked: Iterable[tuple[LineKind, int]], flows: Flows) -> list[Move]:
    """The moves from what is booked, as kinds and micros of earlier moves, to a position.

    What is taken back comes first. Empty if everything is booked.
    """
    net = flows_of(booked)
    back: list[Move] = []
    forth: list[Move] = []
    for row in TRANSITIONS:
        was, now = net.get(row.kind, 0), flows.get(row.kind, 0)
        if now > was:
            forth.append(Move(row.kind, now - was, int(was == 0)))
        elif now < was:
            assert row.back is not None, "a gift that is counted elsewhere stays so"
            back.append(Move(row.back, was - now, int(now == 0)))
    return [*reversed(back), *forth]


def taken_back(booked: Sequence[tuple[LineKind, int]]) -> list[Move]:
    """The moves that take back all that is booked of a gift in its project, so that it can be
    booked in another.
    """
    stays = {kind: micros for kind, micros in flows_of(booked).items() if is_of_suspense(kind)}
    return moves_between(booked, stays)


def flows_of(booked: Iterable[tuple[LineKind, int]]) -> dict[LineKind, int]:
    """What moves, as their kinds and micros, come to."""
    net: dict[LineKind, int] = {}
    for kind, micros in booked:
        row = BY_KIND[kind]
        net[row.kind] = net.get(row.kind, 0) + (-micros if kind is row.back else micros)
    return {kind: micros for kind, micros in net.items() if micros}


def in_currency(told: Told, currency: str) -> Told:
    """What counts: reports in another currency than the gift's are claims."""
    return Told(
        [refund for refund in told.refunds if refund.currency == currency],
        [dispute for dispute in told.disputes if dispute.currency == currency],
        told.stages,
    )
