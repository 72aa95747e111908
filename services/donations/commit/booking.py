"""Books what has happened to gifts: the difference between their positions and what is booked."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.donations.allocation.standing import (
    Kind,
    StandingChange,
    Stands,
    moved,
)
from services.donations.commit.claiming import fact_claim, rail_claims
from services.donations.domain import Key, Line, LineKind
from services.donations.life.lines import move_lines
from services.donations.life.position import (
    Move,
    Position,
    in_currency,
    moves_between,
    position_of,
    stage_of,
    taken_back,
)
from services.donations.life.reports import Family, Told
from services.donations.life.transitions import State
from services.donations.store import facts, known, links, positions
from services.donations.store.claims import Claim
from services.donations.store.driver import Driver
from services.donations.store.known import KnownGift
from services.donations.store.positions import Booking, StoredMove
from services.runtime.errors import Reason

_NOTHING = Told()


@dataclass(frozen=True, slots=True)
class Found:
    """All that is recorded of some gifts, which are locked. family: knows the gifts.

    moves: what is booked of them.
    """

    family: Family
    gifts: dict[Key, KnownGift]
    told: dict[Key, Told]
    moves: Mapping[Key, Sequence[StoredMove]] = field(default_factory=dict)

    def position(self, key: Key) -> tuple[Position, bool]:
        """As joined_position."""
        return joined_position(self.family, self.gifts, self.told, key)

    def is_paid_out(self, key: Key) -> bool:
        """Whether its charity has received it, as is reported."""
        sources = _sources(self.family, self.gifts, key)
        events = (event for one in sources for event in self.told.get(one, _NOTHING).stages)
        return stage_of(events) >= State.RECEIVED

    def first_move(self, key: Key) -> int:
        """The number of the first move of a decision about a gift that is made now: it comes behind
        those that take back what the decision before had booked.
        """
        stored = _booked(self.moves.get(key, ()))
        return len(stored) + len(taken_back(stored)) + 1


Allot = Callable[[Found], Awaitable[Collection[Key]]]
"""Records where some of the found gifts are to count, and returns which."""


class LinkCame(Exception):
    """Another transaction has linked a gift; begun anew, all that is related to it is found."""


@dataclass(slots=True)
class Booked:
    """What a transaction booked.

    carriers: for each gift that is recorded the batch that moved it last, None if nothing ever
    moved. events: moments of what was booked. claims: what contradicts. standing: how
    what stands in suspense changes. waiting: how many reports wait for others.
    """

    carriers: dict[Key, UUID | None] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    standing: list[tuple[Kind, StandingChange]] = field(default_factory=list)
    waiting: int = 0


async def book(
    driver: Driver, touched: Collection[Key], batch_id: UUID, allot: Allot | None = None
) -> Booked:
    """Books these gifts' positions, those of other transactions' reports included.

    touched: reports that something happened to, whether or not their gifts are recorded.
    allot: what is to be done between reading and booking. Only then it may raise LinkCame; the
    transaction must then be rolled back.
    """
    if not touched:
        return Booked()
    family = await links.family_of(driver, touched)
    members = family.related(touched)
    await positions.lock(driver, members)
    # Before anything is read: what is taken back here is seen below.
    await positions.clear_waiting(driver, members)
    family = await links.family_of(driver, touched)
    related = family.related(touched)
    if not related <= members:
        # A link came meanwhile. The next look finds them all.
        if allot is not None:
            raise LinkCame
        await positions.wait(driver, related, batch_id)
        return Booked(waiting=len(related))
    gifts = await known.find_gifts(driver, members)
    family = known.knowing(family, gifts)
    told = await facts.read(driver, members)
    before = await _standing(driver, gifts)
    moves = await positions.moves_of(driver, gifts)
    left: Mapping[Key, KnownGift] = {}
    if allot is not None and (allotted := await allot(Found(family, gifts, told, moves))):
        left = {key: gifts[key] for key in allotted if gifts[key].allocated is not None}
        gifts |= await known.find_gifts(driver, allotted)
    booked = Booked()
    bookings: dict[Key, Booking] = {}
    for key in sorted(gifts):
        position, joined = joined_position(family, gifts, told, key)
        stored = _booked(moves.get(key, ()))
        back: list[Move] = []
        if key in left:
            back = taken_back(stored)
            booked.lines += _lines(left[key], back)
            stored += [(move.kind, move.micros) for move in back]
        forth = moves_between(stored, position.flows)
        booked.lines += _lines(gifts[key], forth)
        difference = back + forth
        bookings[key] = Booking(len(stored) - len(back), difference, position, joined)
        if difference:
            booked.events.append(_latest(gifts, told, _sources(family, gifts, key)))
    booked.carriers = _carriers(family, bookings, moves, batch_id)
    for key, gift in gifts.items():
        booked.claims += _currency_claims(key, gift, told.get(key, _NOTHING))
    booked.claims += rail_claims(family, gifts)
    after = {
        key: _stands(key, gifts[key], booking.position.refunded_micros, joined=booking.joined)
        for key, booking in bookings.items()
        if gifts[key].suspended
    }
    booked.standing = list(moved(before, after))
    await positions.write(driver, bookings, batch_id)
    await facts.mark_refunds(
        driver,
        (
            (key, gifts[key].gift.currency, carrier)
            for key, carrier in booked.carriers.items()
            if carrier is not None and told.get(key, _NOTHING).refunds
        ),
    )
    rails = {link.rail for link in family.links}
    lonely = [key for key in told.keys() | rails if key not in gifts]
    await positions.wait(driver, lonely, batch_id)
    booked.waiting = len(lonely)
    return booked


def _booked(moves: Iterable[StoredMove]) -> list[tuple[LineKind, int]]:
    return [(move.kind, move.micros) for move in moves]


def _lines(gift: KnownGift, moves: Iterable[Move]) -> Iterable[Line]:
    return move_lines(gift.gift, gift.purpose, gift.charity, moves, gift.allocated)


async def _standing(driver: Driver, gifts: Mapping[Key, KnownGift]) -> Mapping[Key, Stands]:
    """What stands in suspense of these gifts as it was booked last."""
    suspended = [key for key, gift in gifts.items() if gift.suspended]
    kept = await positions.kept_of(driver, suspended) if suspended else {}
    standing = {}
    for key in suspended:
        refunded, joined = kept.get(key, (0, False))
        standing[key] = _stands(key, gifts[key], refunded, joined=joined)
    return standing


def _stands(key: Key, known_gift: KnownGift, refunded: int, *, joined: bool) -> Stands:
    gift = known_gift.gift
    kind = Kind(key.partner_id, gift.project, known_gift.reason, gift.currency)
    return Stands(kind, 0 if joined else gift.amount_micros - refunded)


def joined_position(
    family: Family, gifts: Mapping[Key, KnownGift], told: Mapping[Key, Told], key: Key
) -> tuple[Position, bool]:
    """What should be booked of a recorded gift, and whether another company's report counts it.

    family: knows the gifts.
    """
    gift = gifts[key]
    joined = family.counts_elsewhere(key)
    position = position_of(
        gift.gift.amount_micros,
        [
            in_currency(told.get(source, _NOTHING), gift.gift.currency)
            for source in _sources(family, gifts, key)
        ],
        suspended=gift.suspended,
        joined=joined,
        allocated=gift.allocated is not None,
    )
    return position, joined


def _sources(family: Family, gifts: Mapping[Key, KnownGift], key: Key) -> Sequence[Key]:
    """The reports that tell of a gift: its own, and its rail's once that is recorded."""
    return [key, *(rail for rail in family.rails_of(key) if rail in gifts)]


def _latest(gifts: dict[Key, KnownGift], told: dict[Key, Told], sources: Iterable[Key]) -> int:
    """When the last of all that a booking rests on happened."""
    times: list[int] = []
    for key in sources:
        times.append(gifts[key].gift.event_time_micros)
        one = told.get(key, _NOTHING)
        times += [fact.event_time_micros for fact in one.facts]
    return max(times)


def _carriers(
    family: Family,
    bookings: dict[Key, Booking],
    moves: dict[Key, list[StoredMove]],
    batch_id: UUID,
) -> dict[Key, UUID | None]:
    """What moves nothing, a lower running total, belongs to the batch that moved the rest.

    What a rail tells of its origin's gift belongs to what moved that; where nothing did, since the
    rail tells it in another currency, to what took the rail's own report out.
    """

    def carrier(key: Key) -> UUID | None:
        if bookings[key].moves:
            return batch_id
        return moves[key][-1].batch_id if key in moves else None

    return {key: carrier(family.origin_of(key) or key) or carrier(key) for key in bookings}


def _currency_claims(key: Key, gift: KnownGift, told: Told) -> Iterable[Claim]:
    for fact in told.money:
        if fact.currency != gift.gift.currency:
            yield fact_claim(key, fact, Reason.CURRENCY_MISMATCH)
