"""A small plan, written by one statement that is a transaction of its own.

Of what few entries cost, most is the round trips of a longer transaction.
"""

from functools import lru_cache

from services.ledger.journal.plan import Plan
from services.ledger.store.additions import TABLES, TRANSFERS, Ids, entries_of, head_of, sums_of
from services.ledger.store.fragments import HEAD_HOLDS, HEAD_MOVES
from services.ledger.store.session import Driver

_HEAD = f"UPDATE head SET {HEAD_MOVES} WHERE {HEAD_HOLDS} RETURNING sequence"  # noqa: S608  made of constants


async def write_at_once(driver: Driver, term: int, plan: Plan, ids: Ids) -> bool:
    """Writes a plan of plain movements on accounts that are open, none of them late.

    False, with nothing written, if the head says that it may not be. Raises
    psycopg.errors.UniqueViolation, with nothing written, if one of the entry ids is posted.
    """
    transfers, *others = [*entries_of(plan, ids), *sums_of(plan, ids)]
    parameters: dict[str, object] = {
        "after": plan.entries.before.sequence,
        "after_hash": plan.entries.before.hash,
        "term": term,
        **head_of(plan),
        **transfers.parameters,
    }
    for addition in others:
        parameters |= addition.parameters
    statement = _statement(tuple(addition.table.name for addition in others))
    cursor = await driver.execute(statement, parameters, prepare=True)
    return cursor.rowcount > 0


@lru_cache(maxsize=64)
def _statement(others: tuple[str, ...]) -> bytes:
    """Adds transfers, and rows to other tables, if the head can be moved, which locks it first."""
    parts = [f"{name}_added AS ({TABLES[name].insert(behind='moved')})" for name in others]
    into_transfers = TRANSFERS.insert(behind="moved")
    return f"WITH moved AS ({_HEAD}), {', '.join(parts)} {into_transfers}".encode()
