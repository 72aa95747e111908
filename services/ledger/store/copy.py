"""Rows of entries and transfers as PostgreSQL's COPY reads them, in its text format.

Text, because it is built at the speed of joining strings: a row costs about a microsecond, where a
call of the driver for each row costs several. https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from json import JSONEncoder
from typing import NamedTuple

from services.ledger.domain import AccountName, Dates, Entry, EntryDraft, Step
from services.ledger.journal.seal import rfc3339
from services.ledger.posting.periods import Late

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


def entry_rows(entries: Iterable[Entry]) -> str:
    """Rows for ENTRIES."""
    return "".join([_entry_row(*entry) for entry in entries])


class TransferRows(NamedTuple):
    """Rows for TRANSFERS, RESERVED and STEPS; the last two are mostly empty."""

    transfers: str
    reserved: str
    steps: str


def transfer_rows(entries: Iterable[Entry], ids: Mapping[AccountName, int]) -> TransferRows:
    """The rows of all transfers of the entries. ids: of all their accounts."""
    ids_of_codes: dict[str, dict[str, int]] = {}  # by currency
    for (code, currency), id_ in ids.items():
        ids_of_codes.setdefault(currency, {})[code] = id_
    rows: list[str] = []
    reserved: list[str] = []
    steps: list[str] = []
    for entry in entries:
        sequence = entry.sequence
        for position, transfer in enumerate(entry.draft.transfers):
            debit, credit, micros, currency, campaign, project, hour, tally, step = transfer
            id_of = ids_of_codes[currency]
            # Campaigns and projects are codes, which need no escape.
            row = (
                f"{sequence}\t{position}\t{id_of[debit]}\t{id_of[credit]}\t{micros}\t{campaign}"
                f"\t{project}\t{rfc3339(hour) if hour else _NULL}\t{tally}\n"
            )
            if step is None:
                rows.append(row)
                continue
            (rows if transfer.moves else reserved).append(row)
            steps.append(_step_row(sequence, position, step))
    return TransferRows("".join(rows), "".join(reserved), "".join(steps))


def late_rows(late: Iterable[Late]) -> str:
    """Rows for LATE."""
    return "".join([f"{one.sequence}\t{one.position}\t{one.value_date}\n" for one in late])


_NULL = r"\N"
_json = JSONEncoder(ensure_ascii=False).encode


def _entry_row(
    sequence: int,
    recorded_time: datetime,
    draft: EntryDraft,
    content_hash: bytes,
    previous_hash: bytes,
    own_hash: bytes,
    version: int,
    dates: Dates | None,
) -> str:
    entry_id, (kind, cause_id), value_time, metadata, _, reverses = draft
    assert dates is not None, "new entries have dates"
    # Of two backslashes COPY takes one away, and the other begins bytea's hexadecimal form.
    return (
        f"{sequence}\t{entry_id.int:032x}\t\\\\x{content_hash.hex()}\t{int(kind)}\t{_escaped(cause_id)}"
        f"\t{rfc3339(value_time)}\t{rfc3339(recorded_time)}"
        f"\t{_escaped(_json(metadata)) if metadata else '{}'}"
        f"\t\\\\x{previous_hash.hex()}\t\\\\x{own_hash.hex()}\t{version}\t{_days(dates)}"
        f"\t{_NULL if reverses is None else reverses}\n"
    )


@lru_cache(maxsize=4_096)
def _days(dates: Dates) -> str:
    return f"{dates.value.isoformat()}\t{dates.book.isoformat()}"


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
