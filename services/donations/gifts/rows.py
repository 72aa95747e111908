"""The gifts of one transaction: every submission's columns joined, placed, and in key order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, zip_longest
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from services.donations.catalog.memory import Standing
from services.donations.domain import BUCKETS, Key, Purpose, Rail, SuspenseReason
from services.donations.gifts.columns import GiftColumns, Ids, Ints, Target

# Up to so many ids, one after the other is quicker than all of them at once.
_FEW = 1_000


def join(parts: Sequence[GiftColumns]) -> GiftColumns:
    """Columns of several submissions, one after the other; there is at least one."""
    targets: dict[Target, int] = {}
    indexes = []
    for part in parts:
        places = [targets.setdefault(target, len(targets)) for target in part.targets]
        indexes.append(np.array(places, dtype=np.int64)[part.target_indexes])
    return GiftColumns(
        np.concatenate([part.external_ids for part in parts]),
        np.concatenate([part.amounts_micros for part in parts]),
        np.concatenate([part.event_times_micros for part in parts]),
        list(targets),
        np.concatenate(indexes),
        np.concatenate([part.donor_tokens for part in parts]),
        [
            (start + row, rail)
            for part, start in zip(parts, _starts(parts), strict=True)
            for row, rail in part.rails
        ],
    )


def _starts(parts: Sequence[GiftColumns]) -> Iterable[int]:
    return accumulate((len(part) for part in parts[:-1]), initial=0)


@dataclass(frozen=True, slots=True)
class GiftRows:
    """Rows in key order, as the database sorts them: bucket, partner, id.

    order: each row's position among the joined columns.
    purposes: of each target's project; meaningless where rows of the target stand in suspense.
    is_repeat: whether an earlier row of this transaction has the same key.
    project_ids, campaign_ids: 0 for none and in suspense.
    reasons: why a row stands in suspense, as numbers of SuspenseReason; 0 if it does not.
    rails: the places of the rows that name a rail, ascending, and what each names.
    """

    order: Ints
    buckets: Ints
    partner_ids: Ints
    external_ids: Ids
    amounts_micros: Ints
    event_times_micros: Ints
    donor_tokens: NDArray[np.uint8]
    targets: Sequence[Target]
    purposes: Sequence[Purpose]
    target_indexes: Ints
    project_ids: Ints
    campaign_ids: Ints
    reasons: Ints
    is_repeat: NDArray[np.bool_]
    rails: Sequence[tuple[int, Rail]] = ()

    def __len__(self) -> int:
        return len(self.order)

    def take(self, places: Ints) -> "GiftRows":
        """Some of the rows, in the order of places, which should be ascending; without rails."""
        return GiftRows(
            self.order[places],
            self.buckets[places],
            self.partner_ids[places],
            self.external_ids[places],
            self.amounts_micros[places],
            self.event_times_micros[places],
            self.donor_tokens[places],
            self.targets,
            self.purposes,
            self.target_indexes[places],
            self.project_ids[places],
            self.campaign_ids[places],
            self.reasons[places],
            self.is_repeat[places],
        )

    def keep(self, chosen: NDArray[np.bool_]) -> "GiftRows":
        """The chosen rows as if no other had come: a repeat may come to be the first of its key."""
        kept = self.take(np.flatnonzero(chosen))
        kept.is_repeat[1:] = (kept.external_ids[1:] == kept.external_ids[:-1]) & (
            kept.partner_ids[1:] == kept.partner_ids[:-1]
        )
        kept.is_repeat[:1] = False
        places = np.cumsum(chosen) - 1
        rails = [(int(places[place]), rail) for place, rail in self.rails if chosen[place]]
        return replace(kept, rails=rails)

    def key(self, place: int) -> Key:
        """What names the row at a place."""
        external_id = self.external_ids[place].decode()
        return Key(int(self.buckets[place]), int(self.partner_ids[place]), external_id)

    def keys(self, places: Ints) -> list[Key]:
        """What names the rows at some places."""
        ids = [external_id.decode() for external_id in self.external_ids[places].tolist()]
        columns = (self.buckets[places].tolist(), self.partner_ids[places].tolist(), ids)
        return list(map(Key, *columns))

    @property
    def suspended(self) -> NDArray[np.bool_]:
        """Which rows stand in suspense."""
        mask: NDArray[np.bool_] = self.reasons != 0
        return mask

    def currencies(self) -> Ids:
        """Each row's currency code."""
        codes = np.array([target.currency for target in self.targets], dtype=np.bytes_)
        return codes[self.target_indexes]

    def token_lengths(self) -> Ints:
        """How long each row's donor token is: 0 where the donor is unknown."""
        known = self.donor_tokens.any(axis=1)
        lengths: Ints = np.where(known, self.donor_tokens.shape[1], 0)
        return lengths


def place(gifts: GiftColumns, standings: Sequence[Standing]) -> GiftRows:
    """Sorts gifts by key and says where each stands. standings: one a target."""
    moments = [standing[:-1] for standing in standings]  # all but `qualified`, which are several
    by_target = np.array(moments, dtype=np.int64).reshape(len(standings), -1)
    partner_ids, project_ids, campaign_ids, _, reasons, closes, starts, ends = by_target.T
    buckets = bucket_column(gifts.external_ids)
    keys = _sortable(buckets, partner_ids[gifts.target_indexes], gifts.external_ids)
    # Stable, so that of rows with the same key the one that came first stays first.
    order: Ints = np.argsort(keys, kind="stable")
    keys = keys[order]
    targets = gifts.target_indexes[order]
    times = gifts.event_times_micros[order]
    # From the last that counts to the first.
    qualified = _qualified([standing.qualified for standing in standings], targets, times)
    is_out = (times < starts[targets]) | (times >= ends[targets])
    suspense = np.where(qualified, 0, int(SuspenseReason.CHARITY_NOT_QUALIFIED))
    suspense[is_out] = SuspenseReason.CAMPAIGN_NOT_OPEN
    suspense[times >= closes[targets]] = SuspenseReason.PROJECT_CLOSED
    reasons = np.where(reasons[targets] != 0, reasons[targets], suspense)
    attributed = reasons == 0
    is_repeat = np.zeros(len(gifts), dtype=np.bool_)
    is_repeat[1:] = keys[1:] == keys[:-1]
    return GiftRows(
        order,
        buckets[order],
        partner_ids[targets],
        gifts.external_ids[order],
        gifts.amounts_micros[order],
        times,
        gifts.donor_tokens[order],
        gifts.targets,
        [standing.purpose for standing in standings],
        targets,
        project_ids[targets] * attributed,
        campaign_ids[targets] * attributed,
        reasons,
        is_repeat,
        _placed(gifts.rails, order),
    )


def _qualified(edges: Sequence[tuple[int, ...]], targets: Ints, times: Ints) -> NDArray[np.bool_]:
    """Whether an odd number of its target's edges are not after a row's time."""
    qualified = np.zeros(len(times), dtype=np.bool_)
    for column in zip_longest(*edges, fillvalue=_NEVER_REACHED):
        qualified ^= times >= np.array(column, dtype=np.int64)[targets]
    return qualified


_NEVER_REACHED = 2**62
"""A moment after that of every gift."""


def _placed(rails: Sequence[tuple[int, Rail]], order: Ints) -> Sequence[tuple[int, Rail]]:
    if not rails:
        return ()
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return sorted((int(places[row]), rail) for row, rail in rails)


def bucket_column(external_ids: Ids) -> Ints:
    """domain.bucket_of for a column."""
    if len(external_ids) <= _FEW:
        buckets = [crc32(external_id) % BUCKETS for external_id in external_ids.tolist()]
        return np.array(buckets, dtype=np.int64)
    return _many_buckets(external_ids)


def _many_buckets(external_ids: Ids) -> Ints:
    """Table-driven CRC-32, one byte of all ids at a time."""
    width = external_ids.dtype.itemsize
    octets = np.ascontiguousarray(external_ids).view(np.uint8).reshape(len(external_ids), width)
    lengths = np.strings.str_len(external_ids)
    shortest = int(lengths.min()) if len(external_ids) else 0
    crc = np.full(len(external_ids), 0xFFFFFFFF, dtype=np.uint32)
    for place in range(width):
        further = _CRC_TABLE[(crc ^ octets[:, place]) & 0xFF] ^ (crc >> np.uint32(8))
        crc = further if place < shortest else np.where(place < lengths, further, crc)
    return ((crc ^ np.uint32(0xFFFFFFFF)) % BUCKETS).astype(np.int64)


def _crc_table() -> NDArray[np.uint32]:
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> np.uint32(1)) ^ np.uint32(0xEDB88320), crc >> np.uint32(1))
    return crc


_CRC_TABLE = _crc_table()


def _sortable(buckets: Ints, partner_ids: Ints, external_ids: Ids) -> Ids:
    """Keys as bytes that compare as the keys do. NUL padding sorts before every id's bytes."""
    width = external_ids.dtype.itemsize
    packed = np.empty(
        len(external_ids), dtype=[("bucket", "u1"), ("partner", ">u2"), ("id", f"S{width}")]
    )
    packed["bucket"], packed["partner"], packed["id"] = buckets, partner_ids, external_ids
    return packed.view(f"S{packed.dtype.itemsize}")
