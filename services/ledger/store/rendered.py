"""A plan's rows, made while others are written, so that the database need not wait for them."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from services.ledger.journal.plan import Plan
from services.ledger.store import copy
from services.ledger.store.accounts import AccountIds
from services.ledger.store.additions import Addition, Ids, sums_of
from services.ledger.store.entry_rows import entry_rows

Part = TypeVar("Part", str, bytes)


class Rendered(NamedTuple):
    """A plan, and what is written of it. ids: of its accounts, as known in an era."""

    plan: Plan
    era: int
    ids: Ids
    entries: Sequence[bytes]
    transfers: Sequence[str]
    sums: Sequence[Addition]

    def stands_by(self, accounts: AccountIds) -> bool:
        """Whether the accounts still have these ids: another database may have taken over."""
        return accounts.era == self.era


async def render(plan: Plan, era: int, ids: Ids) -> Rendered:
    """Makes the rows, a part at a time, between which the loop serves others."""
    entries = await _made(entry_rows(plan.entries))
    transfers = await _made(copy.transfer_rows(plan.entries, ids))
    return Rendered(plan, era, ids, entries, transfers, sums_of(plan, ids))


async def _made(rows: Iterator[Part]) -> list[Part]:
    made: list[Part] = []
    for part in rows:
        made.append(part)
        await asyncio.sleep(0)
    return made
