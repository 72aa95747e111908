"""Derives every gift's position again from its reports, for the audit."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

from services.donations.commit.booking import joined_position
from services.donations.domain import Key
from services.donations.life.position import Flows, flows_of
from services.donations.life.transitions import is_of_suspense
from services.donations.store.rederiving import LifeReader, Lives, StoredPosition, Unreadable


class Difference(NamedTuple):
    """A gift whose moves are not what its reports make them. partner: empty if unknown."""

    partner: str
    external_id: str
    detail: str


class Checked(NamedTuple):
    """A part of the check: how many gifts it looked at, and what does not agree."""

    gifts: int
    differences: Sequence[Difference]


async def check_positions(reader: LifeReader) -> AsyncIterator[Checked]:
    """Looks at every gift that anything happened to. Raises the database's errors."""
    async for lives in reader.pages():
        if isinstance(lives, Unreadable):
            key, problem = lives
            detail = f"what happened to it cannot be read: {problem}"
            yield Checked(1, [Difference("", key.external_id, detail)])
        else:
            yield Checked(len(lives.keys), list(_differences(lives)))


def _differences(lives: Lives) -> Iterable[Difference]:
    # What a rail reported is looked at with the gift that it may be about.
    keys = set(lives.keys)
    rails = {link.rail for link in lives.family.links if link.origin in keys}
    under_way = lives.family.related(lives.waiting & lives.gifts.keys())
    for key in sorted(keys | rails):
        if key in under_way:
            continue
        gift = lives.gifts.get(key)
        for detail in _details(lives, key):
            yield Difference(gift.gift.partner if gift else "", key.external_id, detail)


def _details(lives: Lives, key: Key) -> Iterable[str]:
    moves = lives.moves.get(key, ())
    gift = lives.gifts.get(key)
    if gift is None:
        if moves:
            yield f"it has {len(moves)} moves and is not recorded"
        if key not in lives.waiting and (key in lives.told or lives.family.origin_of(key)):
            yield "it is not recorded, and nothing waits for it"
        return
    if [move.number for move in moves] != list(range(1, len(moves) + 1)):
        yield "its moves are not numbered from 1 without gaps"
    position, joined = joined_position(lives.family, lives.gifts, lives.told, key)
    booked = flows_of((move.kind, move.micros) for move in moves)
    if booked != position.flows:
        yield f"its moves come to {_told(booked)}, and its reports to {_told(position.flows)}"
    yield from _decision_details(lives, key)
    derived = StoredPosition(len(moves), position.state, position.refunded_micros, joined)
    stored = lives.stored.get(key)
    if stored is None and (moves or key in lives.told):
        yield "its position is not kept"
    elif stored is not None and stored != derived:
        yield f"its position is kept as {_words(stored)}, and its reports make it {_words(derived)}"
    yield from _refund_details(lives, key, gift.gift.currency)


def _decision_details(lives: Lives, key: Key) -> Iterable[str]:
    """What an earlier decision gave to a project was all taken back before the next began."""
    moves = [(move.kind, move.micros) for move in lives.moves.get(key, ())]
    for number, first_move in enumerate(lives.beginnings.get(key, ()), 2):
        left = flows_of(moves[: max(first_move - 1, 0)])
        if not 1 < first_move <= len(moves) or not all(map(is_of_suspense, left)):
            yield (
                f"decision {number} about it begins with its move {first_move}, before which not "
                "all was taken back"
            )


def _refund_details(lives: Lives, key: Key, currency: str) -> Iterable[str]:
    """Refunds that count name a batch that moved their gift, or an origin's, if any did: the rail's
    report may have been about another origin before it is about this one.
    """
    origins = {link.origin for link in lives.family.links if link.rail == key}
    moved = {move.batch_id for one in {key, *origins} for move in lives.moves.get(one, ())}
    for refund in lives.refunds.get(key, ()):
        if refund.batch_id is None and (not moved or refund.currency != currency):
            continue
        if refund.batch_id not in moved:
            booked = f"batch {refund.batch_id}" if refund.batch_id else "no batch"
            yield f"its refund {refund.refund_id} is kept as booked by {booked}, which is not so"


def _told(flows: Flows) -> str:
    return ", ".join(f"{kind.name} {micros:,}" for kind, micros in sorted(flows.items())) or "none"


def _words(position: StoredPosition) -> str:
    joined = ", counted elsewhere" if position.joined else ""
    return (
        f"{position.state.name} after {position.moves} moves, "
        f"{position.refunded_micros:,} refunded{joined}"
    )
