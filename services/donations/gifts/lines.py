"""A batch's lines: its gifts summed by what the ledger tells apart."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from services.donations.domain import HOUR_MICROS, Line, LineKind, Purpose
from services.donations.gifts.rows import GiftRows


def line_keys(rows: GiftRows) -> NDArray[np.int64]:
    """A number for each row; rows of the same line share it."""
    hours = rows.event_times_micros // HOUR_MICROS
    first = hours.min() if len(rows) else 0
    span = int(hours.max() - first) + 1 if len(rows) else 1
    kinds = rows.target_indexes * 2 + rows.suspended
    keys: NDArray[np.int64] = kinds * span + (hours - first)
    return keys


def gift_lines(rows: GiftRows, chosen: NDArray[np.bool_]) -> Iterable[Line]:
    """Lines of the chosen rows, for `summed`. Their sum fits 64 bits (columns.MICROS_SUM_MAX)."""
    places = np.flatnonzero(chosen)
    if not len(places):
        return
    keys = line_keys(rows)[places]
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    is_first = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    sums = np.add.reduceat(rows.amounts_micros[places], starts)
    ends = np.empty_like(starts)
    ends[:-1], ends[-1] = starts[1:], len(places)
    counts = ends - starts
    firsts = places[starts]
    hours = rows.event_times_micros[firsts] // HOUR_MICROS
    for target, suspended, hour, micros, count in zip(
        rows.target_indexes[firsts].tolist(),
        rows.suspended[firsts].tolist(),
        hours.tolist(),
        sums.tolist(),
        counts.tolist(),
        strict=True,
    ):
        partner, currency, project, campaign = rows.targets[target]
        yield Line(
            LineKind.SUSPENDED_GIFT if suspended else LineKind.GIFT,
            partner,
            campaign,
            "" if suspended else project,
            Purpose.UNATTRIBUTED if suspended else rows.purposes[target],
            "",
            currency,
            hour,
            micros,
            count,
        )


def summed(lines: Iterable[Line]) -> list[Line]:
    """Lines that differ only in their sums, as one: gifts to two unknown projects, say."""
    sums: dict[tuple[object, ...], Line] = {}
    for line in lines:
        known = sums.get(line[:-2])
        if known is None:
            sums[line[:-2]] = line
        else:
            micros, gift_count = known.micros + line.micros, known.gift_count + line.gift_count
            sums[line[:-2]] = known._replace(micros=micros, gift_count=gift_count)
    return list(sums.values())
