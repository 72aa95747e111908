"""Rows of entries and transfers as PostgreSQL's COPY reads them, in its text format.

Text, because it is built at the speed of joining strings: a row costs about a microsecond, where a
call of the driver for each row costs several. https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from json import JSONEncoder
from typing import TypeVar

from services.ledger.domain import AccountName, Cause, Dates, Entry, Step
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


_ENTRIES_AT_ONCE = 250
"""The database reads their rows while the next ones are made."""

_Item = TypeVar("_Item")


def entry_rows(entries: Sequence[Entry]) -> Iterator[str]:
    """Rows for ENTRIES, some at a time."""
    for part in _parts(entries):
        yield "".join([_entry_row(entry) for entry in part])


def transfer_rows(
    entries: Sequence[Entry], moves: Sequence[Sequence[Move]], ids: Mapping[AccountName, int]
) -> Iterator[str]:
    """Rows for TRANSFERS, some at a time.

    moves: of each entry, as in a plan. ids: of all their accounts.
    """
    for part, moves_of_part in zip(_parts(entries), _parts(moves), strict=True):
        rows: list[str] = []
        for entry, its_moves in zip(part, moves_of_part, strict=True):
            sequence = entry.sequence
            # Campaigns and projects are codes, which need no escape.
            for position, (route, micros, tally) in enumerate(its_moves):
                rows.append(
                    f"{sequence}\t{position}\t{ids[route.debit]}\t{ids[route.credit]}"
                    f"\t{micros}\t{route.campaign}\t{route.project}"
                    f"\t{route.hour_text or _NULL}\t{tally}\n"
                )
            if not its_moves:
                rows += _transfer_rows(entry, ids, moving=True)
        yield "".join(rows)


def reserved_rows(entries: Iterable[Entry], ids: Mapping[AccountName, int]) -> Iterator[str]:
    """Rows for RESERVED, of those entries that are more than plain movements."""
    for entry in entries:
        yield from _transfer_rows(entry, ids, moving=False)


def step_rows(entries: Iterable[Entry]) -> Iterator[str]:
    """Rows for STEPS, of those entries that are more than plain movements."""
    for entry in entries:
        for position, transfer in enumerate(entry.draft.transfers):
            if transfer.step is not None:
                yield _step_row(entry.sequence, position, transfer.step)


def late_rows(late: Iterable[Late]) -> Iterator[str]:
    """Rows for LATE."""
    for one in late:
        yield f"{one.sequence}\t{one.position}\t{one.value_date}\n"


def _parts(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for at in range(0, len(items), _ENTRIES_AT_ONCE):
        yield items[at : at + _ENTRIES_AT_ONCE]


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


def _transfer_rows(entry: Entry, ids: Mapping[AccountName, int], *, moving: bool) -> Iterator[str]:
    """Those of the transfers that move money, or those that do not."""
    for position, transfer in enumerate(entry.draft.transfers):
        if transfer.moves is not moving:
            continue
        debit, credit, micros, currency, campaign, project, hour, tally, _ = transfer
        yield (
            f"{entry.sequence}\t{position}\t{ids[AccountName(debit, currency)]}"
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
