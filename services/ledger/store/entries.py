"""Entries as they are read back, with their transfers, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.domain import AccountName, Cause, CauseKind, Entry, EntryDraft, Transfer
from services.ledger.rules import TRANSFERS_MAX
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


class TransferRow(NamedTuple):
    """A row of transfers, as stored."""

    sequence: int
    position: int
    debit_account_id: int
    credit_account_id: int
    amount_micros: int
    campaign: str
    project: str
    hour: datetime | None
    tally: int


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
                entry_id=row.entry_id,
                cause=Cause(_cause_kind(row), row.cause_id),
                value_time=row.value_time,
                metadata=_text_by_text(row),
                transfers=tuple(self._transfers(row.sequence)),
            ),
            content_hash=row.content_hash,
            previous_hash=row.previous_hash,
            hash=row.hash,
        )

    def _transfers(self, sequence: int) -> list[Transfer]:
        transfers = []
        for expected, row in enumerate(self.transfers.get(sequence, ())):
            if row.position != expected:
                raise Unreadable(f"entry {sequence} has no transfer at position {expected}")
            debit = self.names.get(row.debit_account_id)
            credit = self.names.get(row.credit_account_id)
            if debit is None or credit is None:
                raise Unreadable(
                    f"entry {sequence} names an unknown account in transfer {expected}"
                )
            if debit.currency != credit.currency:
                raise Unreadable(f"entry {sequence} crosses currencies in transfer {expected}")
            transfers.append(
                Transfer(
                    debit.code,
                    credit.code,
                    row.amount_micros,
                    debit.currency,
                    row.campaign,
                    row.project,
                    row.hour,
                    row.tally,
                )
            )
        return transfers


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


_COLUMNS = ", ".join(EntryRow._fields)

_AFTER = text(f"""
    SELECT {_COLUMNS} FROM entries WHERE sequence > :after ORDER BY sequence LIMIT :limit
""")  # noqa: S608  our own column names

_OF = text(f"""
    SELECT {_COLUMNS} FROM entries WHERE sequence = ANY(CAST(:sequences AS bigint[]))
    ORDER BY sequence
""")  # noqa: S608  our own column names

_TRANSFERS = text("""
    SELECT sequence, position, debit_account_id, credit_account_id, amount_micros,
           campaign, project, hour, count AS tally
    FROM transfers
    WHERE sequence = ANY(CAST(:sequences AS bigint[])) ORDER BY sequence, position LIMIT :limit
""")
