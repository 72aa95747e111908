"""Rows of entries and transfers as PostgreSQL's COPY reads them, in its text format.

Text, because it is built at the speed of joining strings: a row costs about a microsecond, where a
call of the driver for each row costs several. https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from json import JSONEncoder
from typing import NamedTuple

from services.ledger.domain import AccountName, Cause, Dates, Entry, Step, Transfer
from services.ledger.journal.periods import Late
from services.ledger.journal.routes import Move
from services.ledger.journal.seal import rfc3339

ENTRIES = (
    "COPY entries (sequence, entry_id, content_hash, cause_kind, cause_id, value_time,"
    " recorded_time, metadata, previous_hash, hash, version, value_date, book_date, reverses)"
    " FROM STDIN"
)
_COLUMNS = (
    "(sequence, position, debit_account_id, credit_account_id, amount_micros, campaign, project,"
    " hour, count)"
)
TRANSFERS = f"COPY transfers {_COLUMNS} FROM STDIN"
RESERVED = f"COPY reserved {_COLUMNS} FROM STDIN"
LATE = "COPY late_arrivals (sequence, position, value_date) FROM STDIN"
STEPS = "COPY steps (sequence, position, kind, of_sequence, of_position, expire_time) FROM STDIN"


class Rows(NamedTuple):
    """Rows for ENTRIES, TRANSFERS, RESERVED and STEPS; the last two are mostly empty."""

    entries: str
    transfers: str
    reserved: str
    steps: str


def rows_of(
    entries: Iterable[Entry], moves: Iterable[Sequence[Move]], ids: Mapping[AccountName, int]
) -> Rows:
    """The rows of entries and all their transfers.

    moves: of each entry, as in a plan. ids: of all their accounts.
    """
    rows: list[str] = []
    transfers: list[str] = []
    reserved: list[str] = []
    steps: list[str] = []
    # One entry after the other with all that belongs to it: to come back to it costs as much again.
    for entry, its_moves in zip(entries, moves, strict=True):
        rows.append(_entry_row(entry))
        sequence = entry.sequence
        if its_moves:
            # Campaigns and projects are codes, which need no escape.
            for position, (route, micros, tally) in enumerate(its_moves):
                transfers.append(
                    f"{sequence}\t{position}\t{ids[route.debit]}\t{ids[route.credit]}"
                    f"\t{micros}\t{route.campaign}\t{route.project}"
                    f"\t{route.hour_text or _NULL}\t{tally}\n"
                )
            continue
        for position, transfer in enumerate(entry.draft.transfers):
            row = _transfer_row(sequence, position, transfer, ids)
            (transfers if transfer.moves else reserved).append(row)
            if transfer.step is not None:
                steps.append(_step_row(sequence, position, transfer.step))
    return Rows(*map("".join, (rows, transfers, reserved, steps)))


def late_rows(late: Iterable[Late]) -> str:
    """Rows for LATE."""
    return "".join([f"{one.sequence}\t{one.position}\t{one.value_date}\n" for one in late])


_NULL = r"\N"
_json = JSONEncoder(ensure_ascii=False).encode


def _entry_row(entry: Entry) -> str:
    sequence, recorded_time, draft, content_hash, previous_hash, own_hash, version, dates = entry
    entry_id, cause, value_time, metadata, _, reverses = draft
    assert dates is not None, "new entries have dates"
    # Of two backslashes COPY takes one away, and the other begins bytea's hexadecimal form.
    return (
        f"{sequence}\t{entry_id}\t\\\\x{content_hash.hex()}{_about(cause, value_time)}"
        f"{rfc3339(recorded_time)}\t{_escaped(_json(metadata)) if metadata else '{}'}"
        f"\t\\\\x{previous_hash.hex()}\t\\\\x{own_hash.hex()}\t{version}{_days(dates)}"
        f"{_NULL if reverses is None else reverses}\n"
    )


@lru_cache(maxsize=4_096)
def _about(cause: Cause, value_time: datetime) -> str:
    return f"\t{cause.kind:d}\t{_escaped(cause.id)}\t{rfc3339(value_time)}\t"


@lru_cache(maxsize=4_096)
def _days(dates: Dates) -> str:
    return f"\t{dates.value.isoformat()}\t{dates.book.isoformat()}\t"


def _transfer_row(
    sequence: int, position: int, transfer: Transfer, ids: Mapping[AccountName, int]
) -> str:
    debit, credit, micros, currency, campaign, project, hour, tally, _ = transfer
    return (
        f"{sequence}\t{position}\t{ids[AccountName(debit, currency)]}"
        f"\t{ids[AccountName(credit, currency)]}\t{micros}\t{campaign}\t{project}"
        f"\t{rfc3339(hour) if hour else _NULL}\t{tally}\n"
    )


def _step_row(sequence: int, position: int, step: Step) -> str:
    kind, of, expire_time = step
    of_sequence, of_position = of or (_NULL, _NULL)
    return (
        f"{sequence}\t{position}\t{kind:d}\t{of_sequence}\t{of_position}"
        f"\t{rfc3339(expire_time) if expire_time else _NULL}\n"
    )


def _escaped(value: str) -> str:
    # Values hold no control characters (rules.py), so the backslash is all there is to escape.
    return value.replace("\\", r"\\")
