"""How what stands in suspense changes: sums by kind."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.donations.domain import Key
from services.donations.gifts.rows import GiftRows


class Kind(NamedTuple):
    """What is summed up together. project: as reported; may be empty. reason: a SuspenseReason."""

    partner_id: int
    project: str
    reason: int
    currency: str


class StandingChange(NamedTuple):
    """What comes to stand there; negative what leaves. micros: of what is left of the gifts."""

    gifts: int
    micros: int


NOTHING = StandingChange(0, 0)

StandingChanges = Mapping[Kind, StandingChange]
"""By kind; none is NOTHING."""


def added(changes: Iterable[tuple[Kind, StandingChange]]) -> StandingChanges:
    """Changes, each kind's as one."""
    sums: dict[Kind, StandingChange] = {}
    for kind, (gifts, micros) in changes:
        before = sums.get(kind, NOTHING)
        sums[kind] = StandingChange(before.gifts + gifts, before.micros + micros)
    return {kind: change for kind, change in sums.items() if change != NOTHING}


def suspended_of(
    rows: GiftRows, chosen: NDArray[np.bool_]
) -> Iterator[tuple[Kind, StandingChange]]:
    """What the chosen of rows, if they stand in suspense, add to it.

    Their sum fits 64 bits (columns.MICROS_SUM_MAX).
    """
    places = np.flatnonzero(chosen & rows.suspended)
    if not len(places):
        return
    keys = rows.target_indexes[places] * (int(rows.reasons.max()) + 1) + rows.reasons[places]
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    sums = np.add.reduceat(rows.amounts_micros[places], starts)
    counts = np.diff(np.append(starts, len(places)))
    for first, gifts, micros in zip(
        places[starts].tolist(), counts.tolist(), sums.tolist(), strict=True
    ):
        target = rows.targets[rows.target_indexes[first]]
        kind = Kind(
            int(rows.partner_ids[first]), target.project, int(rows.reasons[first]), target.currency
        )
        yield kind, StandingChange(gifts, micros)


class Stands(NamedTuple):
    """A gift that stands in suspense. micros: what is left of it; of 0 nothing stands there."""

    kind: Kind
    micros: int


def moved(
    before: Mapping[Key, Stands], after: Mapping[Key, Stands]
) -> Iterator[tuple[Kind, StandingChange]]:
    """What a transaction changed of gifts that are recorded."""
    for sign, standing in ((-1, before), (1, after)):
        for kind, micros in standing.values():
            if micros:
                yield kind, StandingChange(sign, sign * micros)
