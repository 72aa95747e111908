"""Gifts in columns: thousands of rows as a few numpy arrays, with no Python object for each.

A batch comes as its sender shaped it (`GiftBatch`); `admitted` checks its rows against the rules of
validation.py all at once and keeps what may be recorded (`GiftColumns`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.donations.domain import Gift, Rail
from services.donations.gifts.tokens import TOKEN_BYTES, DonorTokens
from services.donations.gifts.validation import (
    AMOUNT_MICROS_MAX,
    DONOR_REFERENCE_BYTES_MAX,
    EARLIEST_MICROS,
    ID_LENGTH_MAX,
    Refusal,
    is_code,
    is_external_id,
    rail_refusal,
)
from services.runtime.currency import CURRENCIES
from services.runtime.errors import Fault, Reason

Ints = NDArray[np.int64]
Ids = NDArray[np.bytes_]

BATCH_ROWS_MAX = 10_000
"""The most rows of one batch."""

MICROS_SUM_MAX = 2**62
"""What the amounts of one batch, and of one transaction, may sum up to: far from overflow."""


class Target(NamedTuple):
    """What gifts are for, as reported. A transaction names few of them often."""

    partner: str
    currency: str
    project: str
    campaign: str


@dataclass(frozen=True, slots=True)
class GiftBatch:
    """Rows of one currency as a partner sent them; the columns are equally long.

    project_indexes, campaign_indexes: each within its list. donor_references: one a row, or none.
    rails, rail_indexes, rail_ids: the same for rails; an empty id names none. All of them are empty
    if no row names a rail.
    """

    currency: str
    external_ids: list[str]
    amounts_micros: Ints
    event_times_micros: Ints
    projects: Sequence[str]
    project_indexes: Ints
    campaigns: Sequence[str]
    campaign_indexes: Ints
    donor_references: list[str]
    rails: Sequence[str] = ()
    rail_indexes: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    rail_ids: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.external_ids)


@dataclass(frozen=True, slots=True)
class GiftColumns:
    """Rows that may be recorded.

    external_ids: ASCII. target_indexes: positions in targets. donor_tokens: TOKEN_BYTES a row, all
    zero where the donor is unknown. rails: the positions of the rows that name a rail, ascending.
    """

    external_ids: Ids
    amounts_micros: Ints
    event_times_micros: Ints
    targets: Sequence[Target]
    target_indexes: Ints
    donor_tokens: NDArray[np.uint8]
    rails: Sequence[tuple[int, Rail]] = ()

    def __len__(self) -> int:
        return len(self.external_ids)


def require_shape(batch: GiftBatch, count: int, micros: int) -> None:
    """Checks a batch as a whole. count, micros: its sender's own totals of its rows.

    Raises Fault: BATCH_SIZE_INVALID, BATCH_COLUMNS_UNEQUAL or CONTROL_TOTALS_MISMATCH.
    """
    rows = len(batch)
    if not 1 <= rows <= BATCH_ROWS_MAX:
        raise Fault(
            Reason.BATCH_SIZE_INVALID,
            f"the batch has {rows} gifts; send 1 to {BATCH_ROWS_MAX:,}",
        )
    for name, column in (
        ("amounts_micros", batch.amounts_micros),
        ("event_times_micros", batch.event_times_micros),
        ("project_indexes", batch.project_indexes),
        ("campaign_indexes", batch.campaign_indexes),
        ("donor_references", batch.donor_references or batch.external_ids),
        ("rail_ids", batch.rail_ids or batch.external_ids),
        ("rail_indexes", batch.rail_indexes if batch.rail_ids else batch.external_ids),
    ):
        if len(column) != rows:
            raise _unequal(f"{name} has {len(column)} values for {rows} external_ids", name)
    for name, indexes, listed in (
        ("project_indexes", batch.project_indexes, batch.projects),
        ("campaign_indexes", batch.campaign_indexes, batch.campaigns),
        ("rail_indexes", batch.rail_indexes, batch.rails),
    ):
        if not len(indexes):
            continue
        if int(indexes.max()) >= len(listed) or int(indexes.min()) < 0:
            raise _unequal(f"{name} points outside its list of {len(listed)} codes", name)
    total = exact_sum(batch.amounts_micros)
    if (count, micros) != (rows, total):
        raise Fault(
            Reason.CONTROL_TOTALS_MISMATCH,
            "control_totals are not those of the rows that came; nothing of the batch is recorded",
            expected_count=str(count),
            actual_count=str(rows),
            expected_micros=str(micros),
            actual_micros=str(total),
        )


class Admission(NamedTuple):
    """columns: the rows that may be recorded. rows: their positions in the batch.

    refusals: why each row of the batch was refused, 0 where it was not.
    """

    columns: GiftColumns
    rows: Ints
    refusals: NDArray[np.uint8]


def admitted(partner: str, batch: GiftBatch, latest: int, tokens: DonorTokens) -> Admission:
    """Checks each row of a batch. latest: see validation.latest_micros.

    Raises Fault(AMOUNT_OVER_LIMIT) if the good rows' sum is beyond what one entry can carry.
    """
    refusals = _refusals(batch, latest)
    rails = _rails(partner, batch, refusals)
    rows: Ints = np.flatnonzero(refusals == Refusal.NONE)
    ids, references = batch.external_ids, batch.donor_references
    amounts, times = batch.amounts_micros, batch.event_times_micros
    projects, campaigns = batch.project_indexes, batch.campaign_indexes
    if len(rows) < len(batch):
        ids = [ids[row] for row in rows.tolist()]
        references = [references[row] for row in rows.tolist()] if references else []
        amounts, times, projects, campaigns = (
            column[rows] for column in (amounts, times, projects, campaigns)
        )
    require_sum(exact_sum(amounts))
    pairs, indexes = np.unique(projects * len(batch.campaigns) + campaigns, return_inverse=True)
    targets = [
        Target(partner, batch.currency, batch.projects[project], batch.campaigns[campaign])
        for project, campaign in (divmod(pair, len(batch.campaigns)) for pair in pairs.tolist())
    ]
    columns = GiftColumns(
        np.array(ids, dtype=np.bytes_),
        amounts,
        times,
        targets,
        indexes.astype(np.int64),
        _token_rows(tokens.tokens(partner, references) if references else b"", len(ids)),
        _among(rails, rows) if rails else (),
    )
    return Admission(columns, rows, refusals)


def _rails(partner: str, batch: GiftBatch, refusals: NDArray[np.uint8]) -> list[tuple[int, Rail]]:
    """The rows that name a rail; those that name it wrongly are marked as refused."""
    named = []
    for row, rail_id in enumerate(batch.rail_ids):
        if not rail_id or refusals[row] != Refusal.NONE:
            continue
        rail = Rail(batch.rails[int(batch.rail_indexes[row])], rail_id)
        refusals[row] = rail_refusal(partner, rail)
        if refusals[row] == Refusal.NONE:
            named.append((row, rail))
    return named


def _among(rails: Sequence[tuple[int, Rail]], rows: Ints) -> list[tuple[int, Rail]]:
    """The same by their positions among the rows that may be recorded."""
    places = np.searchsorted(rows, [row for row, _ in rails]).tolist()
    return [(place, rail) for place, (_, rail) in zip(places, rails, strict=True)]


def columns_of(gifts: Sequence[Gift]) -> GiftColumns:
    """Checked gifts as columns."""
    targets: dict[Target, int] = {}
    indexes = [
        targets.setdefault(Target(g.partner, g.currency, g.project, g.campaign), len(targets))
        for g in gifts
    ]
    unknown = bytes(TOKEN_BYTES)
    return GiftColumns(
        np.array([gift.external_id for gift in gifts], dtype=np.bytes_),
        np.array([gift.amount_micros for gift in gifts], dtype=np.int64),
        np.array([gift.event_time_micros for gift in gifts], dtype=np.int64),
        list(targets),
        np.array(indexes, dtype=np.int64),
        _token_rows(b"".join(gift.donor_token or unknown for gift in gifts), len(gifts)),
        [(row, gift.rail) for row, gift in enumerate(gifts) if gift.rail is not None],
    )


def exact_sum(amounts: Ints) -> int:
    """The sum, exact also where it exceeds 64 bits."""
    if not len(amounts):
        return 0
    greatest = max(int(amounts.max()), -int(amounts.min()))
    if greatest * len(amounts) < 2**63:
        return int(amounts.sum())
    return sum(amounts.tolist())


def require_sum(micros: int) -> None:
    """Raises Fault(AMOUNT_OVER_LIMIT) for more than what comes together may sum up to."""
    if micros > MICROS_SUM_MAX:
        raise Fault(
            Reason.AMOUNT_OVER_LIMIT,
            "the sum is beyond what one ledger entry can carry; send less at a time",
            limit_micros=str(MICROS_SUM_MAX),
        )


def _refusals(batch: GiftBatch, latest: int) -> NDArray[np.uint8]:
    """For each row what is wrong with it first."""
    refusals = np.zeros(len(batch), dtype=np.uint8)

    def mark(wrong: NDArray[np.bool_] | bool, refusal: Refusal) -> None:
        refusals[wrong] = refusal

    # From the last that is looked for to the first, so that the first stands in the end.
    if batch.donor_references:
        mark(_too_long(batch.donor_references), Refusal.DONOR_REFERENCE_TOO_LONG)
    mark(batch.event_times_micros > latest, Refusal.EVENT_TIME_IN_FUTURE)
    mark(batch.event_times_micros < EARLIEST_MICROS, Refusal.EVENT_TIME_TOO_EARLY)
    if batch.currency not in CURRENCIES:
        refusals[:] = Refusal.CURRENCY_UNKNOWN
    mark(batch.amounts_micros > AMOUNT_MICROS_MAX, Refusal.AMOUNT_OVER_LIMIT)
    mark(batch.amounts_micros <= 0, Refusal.AMOUNT_NOT_POSITIVE)
    good = np.array([not code or is_code(code) for code in batch.campaigns], dtype=np.bool_)
    mark(~good[batch.campaign_indexes], Refusal.CAMPAIGN_MALFORMED)
    good = np.array([is_code(code) for code in batch.projects], dtype=np.bool_)
    mark(~good[batch.project_indexes], Refusal.PROJECT_MALFORMED)
    empty = np.array([not code for code in batch.projects], dtype=np.bool_)
    mark(empty[batch.project_indexes], Refusal.PROJECT_MISSING)
    if not _all_ids_are_good(batch.external_ids):
        for row, external_id in enumerate(batch.external_ids):
            if not external_id:
                refusals[row] = Refusal.EXTERNAL_ID_MISSING
            elif not is_external_id(external_id):
                refusals[row] = Refusal.EXTERNAL_ID_MALFORMED
    return refusals


def _all_ids_are_good(external_ids: list[str]) -> bool:
    lengths = list(map(len, external_ids))
    if min(lengths) < 1 or max(lengths) > ID_LENGTH_MAX:
        return False
    text = "".join(external_ids)
    # Printable ASCII is the space and what an id may hold.
    return text.isascii() and text.isprintable() and " " not in text


def _unequal(message: str, field: str) -> Fault:
    return Fault(Reason.BATCH_COLUMNS_UNEQUAL, message, field=field)


def _too_long(references: list[str]) -> NDArray[np.bool_]:
    return np.array(
        # A character has at most four bytes, so most need not be encoded to be counted.
        [
            len(text) * 4 > DONOR_REFERENCE_BYTES_MAX
            and len(text.encode()) > DONOR_REFERENCE_BYTES_MAX
            for text in references
        ],
        dtype=np.bool_,
    )


def _token_rows(tokens: bytes, count: int) -> NDArray[np.uint8]:
    if not tokens:
        return np.zeros((count, TOKEN_BYTES), dtype=np.uint8)
    rows: NDArray[Any] = np.frombuffer(tokens, dtype=np.uint8)
    return rows.reshape(count, TOKEN_BYTES)
