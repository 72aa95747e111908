"""Rows of transfers and steps as PostgreSQL's COPY reads them, in its text format.

Text, because it is built at the speed of joining strings: a row costs about a microsecond, where a
call of the driver for each row costs several. https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from services.ledger.domain import AccountName, EntryDraft, Step
from services.ledger.journal.entries import Entries
from services.ledger.journal.periods import Late
from services.ledger.journal.routes import Route
from services.ledger.journal.seal import rfc3339

_COLUMNS = (
    "(sequence, position, debit_account_id, credit_account_id, amount_micros, campaign, project,"
    " hour, count)"
)
TRANSFERS = f"COPY transfers {_COLUMNS} FROM STDIN"
RESERVED = f"COPY reserved {_COLUMNS} FROM STDIN"
LATE = "COPY late_arrivals (sequence, position, value_date) FROM STDIN"
STEPS = "COPY steps (sequence, position, kind, of_sequence, of_position, expire_time) FROM STDIN"

AT_ONCE = 250
"""Entries whose rows are made between two turns of the loop."""

RouteTexts = dict[Route, tuple[str, str]]
"""What rows have in common that go one route, of those that were met: between the position and the
amount, and between the amount and the tally. It is right as long as accounts have the same ids.
"""


def transfer_rows(
    entries: Entries, ids: Mapping[AccountName, int], texts: RouteTexts
) -> Iterator[str]:
    """Rows for TRANSFERS, some at a time. ids: of all their accounts. texts: may be added to."""
    drafts, sequences = entries.drafts, entries.sequences
    for begin in range(0, len(entries), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        rows = [
            f"{sequence}\t{position}{accounts}{micros}{about}{tally}\n"
            for sequence, moves in zip(sequences[some], drafts.moves[some], strict=True)
            for position, (route, micros, tally) in enumerate(moves)
            for accounts, about in (texts.get(route) or _met(route, ids, texts),)
        ]
        yield "".join(rows)
    yield from _rows_of_others(entries, ids, moving=True)


def _met(route: Route, ids: Mapping[AccountName, int], texts: RouteTexts) -> tuple[str, str]:
    accounts = f"\t{ids[route.debit]}\t{ids[route.credit]}\t"
    # Campaigns and projects are codes, which need no escape.
    about = f"\t{route.campaign}\t{route.project}\t{route.hour_text or _NULL}\t"
    texts[route] = accounts, about
    return accounts, about


def reserved_rows(entries: Entries, ids: Mapping[AccountName, int]) -> Iterator[str]:
    """Rows for RESERVED, of those entries that are more than plain movements, some at a time."""
    return _rows_of_others(entries, ids, moving=False)


def step_rows(entries: Entries) -> Iterator[str]:
    """Rows for STEPS, of those entries that are more than plain movements, some at a time."""
    return _some(
        _step_row(sequence, position, transfer.step)
        for sequence, draft in _others(entries)
        for position, transfer in enumerate(draft.transfers)
        if transfer.step is not None
    )


def late_rows(late: Iterable[Late]) -> Iterator[str]:
    """Rows for LATE."""
    for one in late:
        yield f"{one.sequence}\t{one.position}\t{one.value_date}\n"


def _some(rows: Iterator[str]) -> Iterator[str]:
    """The rows, some at a time."""
    while part := "".join(islice(rows, AT_ONCE)):
        yield part


def _rows_of_others(
    entries: Entries, ids: Mapping[AccountName, int], *, moving: bool
) -> Iterator[str]:
    return _some(
        row
        for sequence, draft in _others(entries)
        for row in _transfer_rows(sequence, draft, ids, moving=moving)
    )


def _others(entries: Entries) -> Iterator[tuple[int, EntryDraft]]:
    for place, other in entries.drafts.others.items():
        yield entries.sequences[place], other.draft


_NULL = r"\N"


def _transfer_rows(
    sequence: int, draft: EntryDraft, ids: Mapping[AccountName, int], *, moving: bool
) -> Iterator[str]:
    """Those of the transfers that move money, or those that do not."""
    for position, transfer in enumerate(draft.transfers):
        if transfer.moves is not moving:
            continue
        debit, credit, micros, currency, campaign, project, hour, tally, _ = transfer
        yield (
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
