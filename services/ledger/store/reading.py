"""What the service reads for its callers. Every method is one look at the books."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.domain import (
    Account,
    AccountKind,
    AccountName,
    Balance,
    Cause,
    Entry,
    EntryId,
    Head,
    TransferName,
)
from services.ledger.journal.steps import Named
from services.ledger.store.accounts import AccountIds, account_of
from services.ledger.store.arrays import array
from services.ledger.store.entries import page_after, page_of
from services.ledger.store.steps import named_transfers


class EntryPage(NamedTuple):
    """Entries by sequence. more: there are, or may be, others behind them."""

    entries: list[Entry]
    more: bool


class ReadingStore:
    """Reads the books. Its methods raise the database's errors, and Unreadable of entries."""

    def __init__(self, engine: AsyncEngine, accounts: AccountIds) -> None:
        self._engine = engine
        self._accounts = accounts

    async def head(self) -> Head:
        """Where the chain ends."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_HEAD)).one()
        return Head(row.sequence, row.hash, row.recorded_time)

    # Entries.

    async def entries_after(self, sequence: int, limit: int) -> EntryPage:
        """The next entries after a sequence: as many as fit a page, at most limit."""
        async with self._engine.connect() as connection:
            page = await page_after(connection, self._accounts, sequence, limit)
        return EntryPage(page.entries(), page.cut or len(page.rows) == limit)

    async def entry_at(self, sequence: int) -> Entry | None:
        """The entry with this sequence."""
        return await self._one_entry(sequence)

    async def facts_of(self, sequence: int) -> Mapping[str, str]:
        """The metadata of the entry with this sequence; none if there is no such entry."""
        async with self._engine.connect() as connection:
            return await connection.scalar(_FACTS, {"sequence": sequence}) or {}

    async def entry_of(self, entry_id: EntryId) -> Entry | None:
        """The entry with this id."""
        async with self._engine.connect() as connection:
            sequence = await connection.scalar(_SEQUENCE_OF, {"entry_id": entry_id})
        return None if sequence is None else await self._one_entry(sequence)

    async def account_ids(self, code: str) -> list[int]:
        """The ids of a code's accounts, one a currency."""
        async with self._engine.connect() as connection:
            return list(await connection.scalars(_ACCOUNT_IDS, {"code": code}))

    async def list_entries(
        self,
        *,
        account_ids: Sequence[int] | None,
        cause: Cause | None,
        after: int,
        through: int,
        limit: int,
    ) -> EntryPage:
        """Entries after a sequence, up to another, that touch one of the accounts and have the
        cause. None leaves either of these open.

        As many as fit a page, at most limit, at least one if any.
        """
        parameters: dict[str, object] = {"after": after, "through": through, "limit": limit}
        if account_ids is not None:
            parameters["ids"] = array(account_ids)
        if cause is not None:
            parameters |= {"cause_kind": int(cause.kind), "cause_id": cause.id}
            statement = _OF_CAUSE if account_ids is None else _OF_CAUSE_AND_ACCOUNTS
        elif account_ids is not None:
            statement = _OF_ACCOUNTS
        else:
            limit = min(limit, through - after)
            if limit <= 0:
                return EntryPage([], more=False)
            return await self.entries_after(after, limit)
        async with self._engine.connect() as connection:
            sequences = list(await connection.scalars(statement, parameters))
            page = await page_of(connection, self._accounts, sequences)
        return EntryPage(page.entries(), page.cut or len(sequences) == limit)

    async def _one_entry(self, sequence: int) -> Entry | None:
        async with self._engine.connect() as connection:
            page = await page_of(connection, self._accounts, [sequence])
            return next(iter(page.entries()), None)

    async def named(self, name: TransferName) -> Named | None:
        """A transfer, and what became of it."""
        async with self._engine.connect() as connection:
            return (await named_transfers(connection, self._accounts, [name])).get(name)

    async def left_of(self, sequence: int) -> dict[TransferName, Named]:
        """All transfers of an entry, in order, and what became of them; none if there is none."""
        async with self._engine.connect() as connection:
            count = await connection.scalar(_COUNT_TRANSFERS, {"sequence": sequence})
            names = [TransferName(sequence, position) for position in range(count or 0)]
            return await named_transfers(connection, self._accounts, names)

    async def holds(
        self, account: AccountName, *, open_only: bool, after: TransferName, limit: int
    ) -> dict[TransferName, Named]:
        """The holds of an account after one, in order, at most limit."""
        parameters = {
            **account._asdict(),
            "open_only": open_only,
            "sequence": after.sequence,
            "position": after.position,
            "limit": limit,
        }
        async with self._engine.connect() as connection:
            rows = await connection.execute(_HOLDS, parameters)
            names = [TransferName(row.sequence, row.position) for row in rows]
            found = await named_transfers(connection, self._accounts, names) if names else {}
        return {name: found[name] for name in names}

    # Accounts and balances.

    async def account(self, name: AccountName) -> Account | None:
        """The account of this name."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_ACCOUNT, name._asdict())).one_or_none()
        return None if row is None else account_of(row)

    async def accounts(
        self, *, prefix: str, after: AccountName | None, limit: int
    ) -> list[Account]:
        """Accounts whose codes begin with prefix, by code and currency."""
        code, currency = after or ("", "")
        parameters = {"prefix": prefix, "code": code, "currency": currency, "limit": limit}
        async with self._engine.connect() as connection:
            return [account_of(row) for row in await connection.execute(_ACCOUNTS, parameters)]

    async def balances(self, currency: str, limit: int) -> tuple[list[Balance], int]:
        """All balances by code and currency at one moment, and the last entry that they count.

        currency: empty for all.
        """
        async with self._engine.connect() as connection:
            # One statement, so that the sequence and all balances are seen at one moment.
            rows = (
                await connection.execute(_BALANCES, {"currency": currency, "limit": limit})
            ).all()
        balances = [
            _balance(AccountName(row.code, row.currency), row)
            for row in rows
            if row.code is not None
        ]
        return balances, rows[0].sequence


def _balance(name: AccountName, row: Row[Any]) -> Balance:
    return Balance(
        name, AccountKind(row.kind), row.debits, row.credits, row.held_debits, row.held_credits
    )


_HEAD = text("SELECT sequence, hash, recorded_time FROM head")

_FACTS = text("SELECT metadata FROM entries WHERE sequence = :sequence")

_SEQUENCE_OF = text("SELECT sequence FROM entries WHERE entry_id = CAST(:entry_id AS uuid)")

_ACCOUNT_IDS = text("SELECT id FROM accounts WHERE code = :code ORDER BY id")

_OF_CAUSE = text("""
    SELECT sequence FROM entries
    WHERE cause_kind = :cause_kind AND cause_id = :cause_id
    AND sequence > :after AND sequence <= :through
    ORDER BY sequence LIMIT :limit
""")

_OF_CAUSE_AND_ACCOUNTS = text("""
    SELECT sequence FROM entries
    WHERE cause_kind = :cause_kind AND cause_id = :cause_id
    AND sequence > :after AND sequence <= :through
    AND EXISTS (
        SELECT FROM transfers t WHERE t.sequence = entries.sequence
        AND (t.debit_account_id = ANY(CAST(:ids AS integer[]))
             OR t.credit_account_id = ANY(CAST(:ids AS integer[])))
    )
    ORDER BY sequence LIMIT :limit
""")

# Each account's movements lie in order in one index, so the first few cost little.
_OF_ACCOUNTS = text("""
    SELECT DISTINCT touched.sequence
    FROM unnest(CAST(:ids AS integer[])) AS account (id) CROSS JOIN LATERAL (
        (SELECT DISTINCT sequence FROM transfers
         WHERE debit_account_id = account.id AND sequence > :after AND sequence <= :through
         ORDER BY sequence LIMIT :limit)
        UNION ALL
        (SELECT DISTINCT sequence FROM transfers
         WHERE credit_account_id = account.id AND sequence > :after AND sequence <= :through
         ORDER BY sequence LIMIT :limit)
    ) AS touched
    ORDER BY touched.sequence LIMIT :limit
""")

_COUNT_TRANSFERS = text("""
    SELECT (SELECT count(*) FROM transfers WHERE sequence = :sequence)
           + (SELECT count(*) FROM reserved WHERE sequence = :sequence)
""")

_HOLDS = text("""
    SELECT r.sequence, r.position
    FROM accounts a
    JOIN reserved r ON a.id IN (r.debit_account_id, r.credit_account_id)
    JOIN steps s ON (s.sequence, s.position) = (r.sequence, r.position) AND s.kind = 1
    WHERE a.code = :code AND a.currency = :currency
    AND (r.sequence, r.position) > (:sequence, :position)
    AND NOT (:open_only AND EXISTS (
        SELECT FROM steps e
        WHERE (e.of_sequence, e.of_position) = (r.sequence, r.position) AND e.kind IN (2, 3, 4)
    ))
    ORDER BY r.sequence, r.position LIMIT :limit
""")

_ACCOUNT = text("""
    SELECT code, currency, kind, owner, create_time, state, account_limit
    FROM accounts LEFT JOIN balances ON account_id = id
    WHERE code = :code AND currency = :currency
""")

_ACCOUNTS = text("""
    SELECT code, currency, kind, owner, create_time, state, account_limit
    FROM accounts LEFT JOIN balances ON account_id = id
    WHERE starts_with(code, :prefix) AND (code, currency) > (:code, :currency)
    ORDER BY code, currency LIMIT :limit
""")

_BALANCES = text("""
    SELECT h.sequence, held.code, held.currency, held.kind, held.debits, held.credits,
           held.held_debits, held.held_credits
    FROM head h LEFT JOIN (
        SELECT a.code, a.currency, a.kind, b.debits, b.credits, b.held_debits, b.held_credits
        FROM accounts a JOIN balances b ON b.account_id = a.id
        WHERE :currency IN ('', a.currency)
    ) AS held ON true
    ORDER BY held.code, held.currency LIMIT :limit
""")
