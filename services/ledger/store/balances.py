"""Balances as they are now, many at once."""

from collections.abc import Collection
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.domain import AccountKind, AccountName, Balance
from services.ledger.store.session import Kept


class BalanceStore:
    """Reads balances, on one connection that it keeps. It raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._kept = Kept(engine)

    async def close(self) -> None:
        """Ends the connection; another question opens another."""
        await self._kept.close()

    async def read(self, names: Collection[AccountName]) -> dict[AccountName, tuple[Balance, int]]:
        """How those of the accounts stand that are open, all at one moment; and the last entry that
        they count.

        A question under which the connection broke is asked once more, so that nobody notices a
        database that was restarted since the one before.
        """
        rows = await self._rows(names, again=True)
        return {
            (name := AccountName(code, currency)): (Balance(name, AccountKind(kind), *sums), last)
            for code, currency, kind, last, *sums in rows
        }

    async def _rows(self, names: Collection[AccountName], *, again: bool) -> list[tuple[Any, ...]]:
        _, driver = await self._kept.open()
        parameters = {
            "codes": [name.code for name in names],
            "currencies": [name.currency for name in names],
        }
        try:
            cursor = await driver.execute(_BALANCES, parameters, prepare=True)
            return await cursor.fetchall()
        except BaseException as error:
            if driver.broken:
                await self._kept.close()
                if again and isinstance(error, psycopg.OperationalError):
                    return await self._rows(names, again=False)
            raise


# One statement, so that the sequence and all balances are seen at one moment.
_BALANCES = """
    SELECT a.code, a.currency, a.kind, h.sequence,
        b.debits, b.credits, b.held_debits, b.held_credits
    FROM unnest(%(codes)s::text[], %(currencies)s::text[]) AS named (code, currency)
    JOIN accounts a USING (code, currency)
    JOIN balances b ON b.account_id = a.id
    CROSS JOIN head h
"""
