"""Entries as they are read back, with their transfers, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.domain import (
    AccountName,
    Cause,
    CauseKind,
    Dates,
    Entry,
    EntryDraft,
    EntryId,
    Step,
    StepKind,
    Transfer,
    TransferName,
)
from services.ledger.journal.rules import TRANSFERS_MAX
from services.ledger.store.accounts import AccountIds
from services.ledger.store.arrays import array

PAGE_ENTRIES_MAX = 1_000
PAGE_TRANSFERS_MAX = TRANSFERS_MAX + 1
"""One more than an entry can have, so that a page always has room for its first entry."""


class Unreadable(Exception):
    """What is stored is not what the writer writes; its message says where. The audit says more."""


class EntryRow(NamedTuple):
    """A row of entries, as stored."""

    sequence: int
    entry_id: UUID
    content_hash: bytes
    cause_kind: int
    cause_id: str
    value_time: datetime
    recorded_time: datetime
    metadata: Mapping[str, str]
    previous_hash: bytes
    hash: bytes
    version: int
    value_date: date | None
    book_date: date | None
    reverses: int | None


class TransferRow(NamedTuple):
    """A row of transfers or of reserved, as stored, with its row of steps.

    moves: whether it stands in transfers.
    """

    sequence: int
    position: int
    debit_account_id: int
    credit_account_id: int
    amount_micros: int
    campaign: str
    project: str
    hour: datetime | None
    tally: int
    moves: bool
    step: int | None
    of_sequence: int | None
    of_position: int | None
    expire_time: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries by sequence, each with all its transfers, not yet put together.

    cut: whether entries that were asked for did not fit.
    """

    rows: Sequence[EntryRow]
    transfers: Mapping[int, Sequence[TransferRow]]
    names: Mapping[int, AccountName]
    cut: bool

    def entries(self) -> list[Entry]:
        """All of them. Raises Unreadable."""
        return [self.entry(row) for row in self.rows]

    def entry(self, row: EntryRow) -> Entry:
        """One of them. Raises Unreadable."""
        return Entry(
            sequence=row.sequence,
            recorded_time=row.recorded_time,
            draft=EntryDraft(
                entry_id=EntryId(str(row.entry_id)),
                cause=Cause(_cause_kind(row), row.cause_id),
                value_time=row.value_time,
                metadata=_text_by_text(row),
                transfers=tuple(self._transfers(row.sequence)),
                reverses=row.reverses,
            ),
            content_hash=row.content_hash,
            previous_hash=row.previous_hash,
            hash=row.hash,
            version=row.version,
            dates=_dates(row),
        )

    def _transfers(self, sequence: int) -> list[Transfer]:
        transfers = []
        for expected, row in enumerate(self.transfers.get(sequence, ())):
            if row.position != expected:
                raise Unreadable(f"entry {sequence} has no transfer at position {expected}")
            transfers.append(transfer_of(row, self.names))
        return transfers


def transfer_of(row: TransferRow, names: Mapping[int, AccountName]) -> Transfer:
    """The transfer that a row is. Raises Unreadable."""
    debit = names.get(row.debit_account_id)
    credit = names.get(row.credit_account_id)
    if debit is None or credit is None:
        raise Unreadable(
            f"entry {row.sequence} names an unknown account in transfer {row.position}"
        )
    if debit.currency != credit.currency:
        raise Unreadable(f"entry {row.sequence} crosses currencies in transfer {row.position}")
    transfer = Transfer(
        debit.code,
        credit.code,
        row.amount_micros,
        debit.currency,
        row.campaign,
        row.project,
        row.hour,
        row.tally,
        None if row.step is None else _step(row, row.step),
    )
    if transfer.moves != row.moves:
        raise Unreadable(
            f"entry {row.sequence} keeps transfer {row.position} among those that "
            + ("move nothing" if transfer.moves else "move money")
        )
    return transfer


async def page_after(
    connection: AsyncConnection, accounts: AccountIds, after: int, limit: int = PAGE_ENTRIES_MAX
) -> Page:
    """The next entries after a sequence: as many as fit, at most limit, at least one if any."""
    result = await connection.execute(_AFTER, {"after": after, "limit": limit})
    return await _with_transfers(connection, accounts, [EntryRow(*row) for row in result])


async def page_of(
    connection: AsyncConnection, accounts: AccountIds, sequences: Sequence[int]
) -> Page:
    """The first of the entries with these sequences: as many as fit, at least one if any."""
    result = await connection.execute(_OF, {"sequences": array(sequences)})
    return await _with_transfers(connection, accounts, [EntryRow(*row) for row in result])


async def _with_transfers(
    connection: AsyncConnection, accounts: AccountIds, rows: list[EntryRow]
) -> Page:
    if not rows:
        return Page(rows, {}, {}, cut=False)
    parameters = {"sequences": array(row.sequence for row in rows), "limit": PAGE_TRANSFERS_MAX}
    result = await connection.execute(_TRANSFERS, parameters)
    found = [TransferRow(*row) for row in result]
    cut = len(found) == PAGE_TRANSFERS_MAX
    if cut:
        # The last entry may have more: leave it, and what comes after it, to the next page.
        end = found[-1].sequence
        rows = [row for row in rows if row.sequence < end]
        found = [transfer for transfer in found if transfer.sequence < end]
        if not rows:
            raise Unreadable(f"entry {end} has more than {TRANSFERS_MAX} transfers")
    transfers: dict[int, list[TransferRow]] = {}
    for transfer in found:
        transfers.setdefault(transfer.sequence, []).append(transfer)
    ids = {transfer.debit_account_id for transfer in found}
    ids |= {transfer.credit_account_id for transfer in found}
    return Page(rows, transfers, await accounts.names_of(connection, ids), cut)


def _text_by_text(row: EntryRow) -> Mapping[str, str]:
    stored: object = row.metadata  # JSON may be anything
    if not isinstance(stored, dict) or not all(isinstance(v, str) for v in stored.values()):
        raise Unreadable(f"entry {row.sequence} has metadata that is not text")
    return stored


def _cause_kind(row: EntryRow) -> CauseKind:
    try:
        return CauseKind(row.cause_kind)
    except ValueError:
        raise Unreadable(f"entry {row.sequence} has the unknown cause {row.cause_kind}") from None


def _dates(row: EntryRow) -> Dates | None:
    stored = (row.value_date, row.book_date)
    match row.version:
        case 1 if stored == (None, None) and row.reverses is None:
            return None
        case 2 if row.value_date is not None and row.book_date is not None:
            return Dates(row.value_date, row.book_date)
        case _:
            raise Unreadable(f"entry {row.sequence} is of no version with fields like its own")


def _step(row: TransferRow, stored_kind: int) -> Step:
    try:
        kind = StepKind(stored_kind)
    except ValueError:
        raise Unreadable(
            f"entry {row.sequence} has a transfer {row.position} of the unknown kind {stored_kind}"
        ) from None
    of = None
    if row.of_sequence is not None and row.of_position is not None:
        of = TransferName(row.of_sequence, row.of_position)
    stray = of is None and (row.of_sequence, row.of_position) != (None, None)
    if (of is None) != (kind is StepKind.HOLD) or stray or (of and row.expire_time):
        raise Unreadable(
            f"entry {row.sequence} has a transfer {row.position} that names what it may not"
        )
    return Step(kind, of, row.expire_time)


_COLUMNS = ", ".join(EntryRow._fields)

_AFTER = text(f"""
    SELECT {_COLUMNS} FROM entries WHERE sequence > :after ORDER BY sequence LIMIT :limit
""")  # noqa: S608  our own column names

_OF = text(f"""
    SELECT {_COLUMNS} FROM entries WHERE sequence = ANY(CAST(:sequences AS bigint[]))
    ORDER BY sequence
""")  # noqa: S608  our own column names

_MOVEMENT = (
    "sequence, position, debit_account_id, credit_account_id, amount_micros, campaign, project,"
    " hour, count AS tally"
)

# Few entries have anything but plain movements, so each part of this looks into one index.
_TRANSFERS = text(f"""
    SELECT t.sequence, t.position, t.debit_account_id, t.credit_account_id, t.amount_micros,
           t.campaign, t.project, t.hour, t.tally, t.moves,
           s.kind AS step, s.of_sequence, s.of_position, s.expire_time
    FROM (
        SELECT {_MOVEMENT}, true AS moves FROM transfers
        WHERE sequence = ANY(CAST(:sequences AS bigint[]))
        UNION ALL
        SELECT {_MOVEMENT}, false FROM reserved
        WHERE sequence = ANY(CAST(:sequences AS bigint[]))
    ) AS t
    LEFT JOIN (
        SELECT * FROM steps WHERE sequence = ANY(CAST(:sequences AS bigint[]))
    ) AS s ON (s.sequence, s.position) = (t.sequence, t.position)
    ORDER BY t.sequence, t.position LIMIT :limit
""")  # noqa: S608  our own column names
