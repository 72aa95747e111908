"""What is booked of gifts after their own rows: moves, each once, numbered within the gift.

A gift's row in `positions` counts its moves, and its lock is the right to book more. Gifts' own
rows are never locked or changed.

`waiting` names reports that were recorded before what they are about: when a gift with such a key
is there, its position is to be looked at again. Each transaction adds rows of its own and takes
away only rows that it sees, before it reads what they are about, so none is lost between two.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from services.donations.domain import Key, LineKind
from services.donations.life.position import Move, Position
from services.donations.store.driver import Driver
from services.donations.store.fragments import KEYS, transposed

# The update changes nothing; it locks the row.
_LOCK = f"""
    INSERT INTO positions (bucket, partner_id, external_id, moves, state, refunded_micros, joined)
    SELECT bucket, partner_id, external_id, 0, 1, 0, false FROM {KEYS}
    ON CONFLICT (bucket, partner_id, external_id) DO UPDATE SET moves = positions.moves"""  # noqa: S608

_KEPT = f"""
    SELECT t.bucket, t.partner_id, t.external_id, t.refunded_micros, t.joined
    FROM {KEYS} JOIN positions t USING (bucket, partner_id, external_id)"""  # noqa: S608

_MOVES = f"""
    SELECT m.bucket, m.partner_id, m.external_id, m.number, m.kind, m.amount_micros, m.gift_count,
           m.batch_id
    FROM {KEYS} JOIN moves m USING (bucket, partner_id, external_id)
    ORDER BY m.bucket, m.partner_id, m.external_id, m.number"""  # noqa: S608

_ADD = """
    INSERT INTO moves (bucket, partner_id, external_id, number, kind, amount_micros, gift_count,
                       batch_id)
    SELECT *, %s::uuid FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::integer[],
                                   %s::smallint[], %s::bigint[], %s::smallint[])"""

_SET = """
    UPDATE positions t
    SET moves = k.moves, state = k.state, refunded_micros = k.refunded_micros, joined = k.joined
    FROM unnest(%s::smallint[], %s::smallint[], %s::text[], %s::integer[], %s::smallint[],
                %s::bigint[], %s::boolean[])
      k(bucket, partner_id, external_id, moves, state, refunded_micros, joined)
    WHERE (t.bucket, t.partner_id, t.external_id) = (k.bucket, k.partner_id, k.external_id)"""

_WAIT = f"""
    INSERT INTO waiting (bucket, partner_id, external_id, batch_id)
    SELECT bucket, partner_id, external_id, %s::uuid FROM {KEYS}
    ON CONFLICT DO NOTHING"""  # noqa: S608

_CLEAR = f"""
    DELETE FROM waiting w USING {KEYS}
    WHERE (w.bucket, w.partner_id, w.external_id)
        = (k.bucket, k.partner_id, k.external_id)"""  # noqa: S608


class StoredMove(NamedTuple):
    """A move that is booked."""

    number: int
    kind: LineKind
    micros: int
    gift_count: int
    batch_id: UUID


class Booking(NamedTuple):
    """What a transaction books of one gift. booked: how many moves there were before."""

    booked: int
    moves: Sequence[Move]
    position: Position
    joined: bool


async def lock(driver: Driver, keys: Iterable[Key]) -> None:
    """Locks these gifts' positions, in key order, until the transaction ends."""
    await driver.execute(_LOCK, transposed(sorted(keys), 3))


async def kept_of(driver: Driver, keys: Iterable[Key]) -> dict[Key, tuple[int, bool]]:
    """What these gifts' moves have led to: how much was refunded, and whether others count."""
    rows = await driver.execute(_KEPT, transposed(sorted(keys), 3))
    return {Key(*key): (refunded, joined) for *key, refunded, joined in await rows.fetchall()}


async def moves_of(driver: Driver, keys: Iterable[Key]) -> dict[Key, list[StoredMove]]:
    """The moves of these gifts, by their numbers; gifts without any are left out."""
    rows = await driver.execute(_MOVES, transposed(sorted(keys), 3))
    found: dict[Key, list[StoredMove]] = {}
    for (
        bucket,
        partner_id,
        external_id,
        number,
        kind,
        micros,
        count,
        batch,
    ) in await rows.fetchall():
        found.setdefault(Key(bucket, partner_id, external_id), []).append(
            StoredMove(number, LineKind(kind), micros, count, batch)
        )
    return found


async def write(driver: Driver, bookings: Mapping[Key, Booking], batch_id: UUID) -> None:
    """Writes moves, and the positions that they lead to. The positions are locked."""
    moves = [
        (*key, number, *move)
        for key, booking in sorted(bookings.items())
        for number, move in enumerate(booking.moves, booking.booked + 1)
    ]
    if moves:
        await driver.execute(_ADD, [batch_id, *transposed(moves, 7)])
    positions = [
        (
            *key,
            booking.booked + len(booking.moves),
            int(booking.position.state),
            booking.position.refunded_micros,
            booking.joined,
        )
        for key, booking in sorted(bookings.items())
    ]
    if positions:
        await driver.execute(_SET, transposed(positions, 7))


async def wait(driver: Driver, keys: Iterable[Key], batch_id: UUID) -> None:
    """Notes that these are to be looked at when a gift is recorded under them.

    batch_id: this transaction's own, whether or not it comes to a batch.
    """
    rows = sorted(set(keys))
    if rows:
        await driver.execute(_WAIT, [batch_id, *transposed(rows, 3)])


async def clear_waiting(driver: Driver, keys: Iterable[Key]) -> None:
    """Takes back all such notes of before."""
    await driver.execute(_CLEAR, transposed(sorted(keys), 3))
