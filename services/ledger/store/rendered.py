"""A plan's rows, made while others are written, so that the database need not wait for them."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from services.ledger.journal.plan import Plan
from services.ledger.store.accounts import AccountIds
from services.ledger.store.additions import Addition, Ids, sums_of
from services.ledger.store.copy import RouteTexts, transfer_rows
from services.ledger.store.entry_rows import entry_rows

_Part = TypeVar("_Part", str, bytes)


class Rows(NamedTuple):
    """What is written of a plan."""

    entries: Sequence[bytes] = ()
    transfers: Sequence[str] = ()
    sums: Sequence[Addition] = ()


class Rendered(NamedTuple):
    """A plan, and its rows if they are many. ids: of its accounts, as known in an era."""

    plan: Plan
    era: int
    ids: Ids
    rows: Rows

    @property
    def is_large(self) -> bool:
        """Whether it is written by COPY, in a thread."""
        return bool(self.rows.entries)

    def stands_by(self, accounts: AccountIds) -> bool:
        """Whether the accounts still have these ids: another database may have taken over."""
        return accounts.era == self.era


async def rows_of(plan: Plan, ids: Ids, texts: RouteTexts) -> Rows:
    """Makes the rows, a part at a time, between which the loop serves others.

    texts: of the ids' era.
    """
    entries = await _made(entry_rows(plan.entries))
    transfers = await _made(transfer_rows(plan.entries, ids, texts))
    return Rows(entries, transfers, sums_of(plan, ids))


async def _made(rows: Iterator[_Part]) -> list[_Part]:
    made: list[_Part] = []
    for part in rows:
        made.append(part)
        await asyncio.sleep(0)
    return made
