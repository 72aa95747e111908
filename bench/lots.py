"""Made-up gifts, the same for the same seed, and the batches that they travel in."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from watersmeet.donations.v1.donation_intake_service_pb2 import ControlTotals, DonationBatch

BATCH = 10_000
"""Rows of a batch: the most that the contract allows."""

CURRENCY = "CNY"
BUCKETS = 16

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FEN = 10_000  # micros
_AMOUNT_MAX_FEN = 20_000
# In a stream's own time so many gifts are made in a millisecond: a hundred thousand in a second.
_GIFTS_A_MILLISECOND = 100


@dataclass(frozen=True, slots=True)
class Lot:
    """So many gifts of one partner.

    seed: another seed is other gifts. start: when the first is made; a hundred are made in each
    millisecond. ordered: whether ids begin with that time, as platforms' do, or are random; either
    has 28 characters. repeats_of: every tenth row is one of that lot, told again.
    """

    partner: str
    seed: int
    gifts: int
    start: datetime
    ordered: bool = False
    donors: bool = False
    repeats_of: "Lot | None" = None

    @property
    def fresh(self) -> int:
        """How many of the gifts are no repeats."""
        return self.gifts - (len(range(0, self.gifts, 10)) if self.repeats_of else 0)

    @property
    def end(self) -> datetime:
        """When the next lot may begin."""
        return self.start + timedelta(milliseconds=self.gifts // _GIFTS_A_MILLISECOND + 1)


@dataclass(slots=True)
class Gifts:
    """A lot's rows in columns. donors: empty if none is known. projects: numbers from 0."""

    ids: NDArray[np.bytes_]
    amounts_micros: NDArray[np.int64]
    times_micros: NDArray[np.int64]
    projects: NDArray[np.int64]
    donors: NDArray[np.bytes_]

    def buckets(self) -> NDArray[np.int64]:
        """Each row's bucket, as intake derives it from the id."""
        return np.array([zlib.crc32(i) % BUCKETS for i in self.ids.tolist()], dtype=np.int64)


def make_gifts(lot: Lot, projects: int) -> Gifts:
    """The gifts of a lot, given to so many projects."""
    random = np.random.default_rng(lot.seed)
    start = (lot.start - _EPOCH) // timedelta(microseconds=1)
    times = start + np.arange(lot.gifts, dtype=np.int64) // _GIFTS_A_MILLISECOND * 1_000
    gifts = Gifts(
        ids=_ordered_ids(random, times) if lot.ordered else _random_ids(random, lot.gifts),
        amounts_micros=random.integers(1, _AMOUNT_MAX_FEN, lot.gifts) * _FEN,
        times_micros=times,
        projects=random.integers(0, projects, lot.gifts),
        donors=_random_ids(random, lot.gifts if lot.donors else 0),
    )
    if lot.repeats_of is not None:
        _repeat(gifts, make_gifts(lot.repeats_of, projects), random)
    return gifts


def make_batches(gifts: Gifts, projects: Sequence[str], campaign: str) -> list[DonationBatch]:
    """Gifts as the bulk stream takes them, with control totals."""
    ids, donors = gifts.ids.astype("U").tolist(), gifts.donors.astype("U").tolist()
    batches = []
    for first in range(0, len(ids), BATCH):
        rows = slice(first, first + BATCH)
        amounts = gifts.amounts_micros[rows].tolist()
        batches.append(
            DonationBatch(
                currency_code=CURRENCY,
                external_ids=ids[rows],
                amounts_micros=amounts,
                event_times_micros=gifts.times_micros[rows].tolist(),
                projects=projects,
                project_indexes=gifts.projects[rows].tolist(),
                campaigns=[campaign],
                donor_references=donors[rows],
                control_totals=ControlTotals(count=len(amounts), micros=sum(amounts)),
            )
        )
    return batches


def _random_ids(random: np.random.Generator, count: int) -> NDArray[np.bytes_]:
    """28 hexadecimal digits each."""
    return np.frombuffer(random.bytes(14 * count).hex().encode("ascii"), dtype="S28").copy()


def _ordered_ids(random: np.random.Generator, times: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """Date and time to the millisecond, 17 digits, and 11 digits that say nothing."""
    tails = random.integers(0, 10**11, len(times)).tolist()
    texts: dict[int, str] = {}
    for micros in np.unique(times).tolist():
        moment = _EPOCH + timedelta(microseconds=micros)
        texts[micros] = f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1_000:03d}"
    pairs = zip(times.tolist(), tails, strict=True)
    return np.array([f"{texts[time]}{tail:011d}" for time, tail in pairs], dtype="S28")


def _repeat(gifts: Gifts, earlier: Gifts, random: np.random.Generator) -> None:
    """Puts rows of an earlier lot, each at most once, in the place of every tenth row."""
    places = np.arange(0, len(gifts.ids), 10)
    chosen = random.choice(len(earlier.ids), len(places), replace=False)
    for name in ("ids", "amounts_micros", "times_micros", "projects", "donors"):
        column: NDArray[Any] = getattr(gifts, name)
        if len(column):
            column[places] = getattr(earlier, name)[chosen]
