"""The transfers that others are about: holds and what ended them, movements and their reversals."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.domain import StepKind, Sums, Transfer, TransferName
from services.ledger.journal.plan import Due
from services.ledger.journal.steps import End, Named
from services.ledger.store.accounts import AccountIds
from services.ledger.store.arrays import array
from services.ledger.store.entries import TransferRow, transfer_of

DUE_MAX = 1_000
"""Holds that expire with one entry."""


class DueHolds(NamedTuple):
    """Open holds that are over, the first DUE_MAX of them. next_expiry: no other one is before."""

    holds: list[Due]
    next_expiry: datetime | None


async def named_transfers(
    connection: AsyncConnection, accounts: AccountIds, names: Collection[TransferName]
) -> dict[TransferName, Named]:
    """Those of the transfers that stand in the books, in order, and what became of them."""
    ordered = sorted(names)
    rows = await connection.execute(
        _NAMED,
        {
            "sequences": array(name.sequence for name in ordered),
            "positions": array(name.position for name in ordered),
        },
    )
    found = rows.all()
    transfers = await _transfers(connection, accounts, found)
    return {
        TransferName(row.sequence, row.position): Named(
            transfer,
            None if row.end_kind is None else End(StepKind(row.end_kind), row.end_sequence),
            Sums(int(row.reversed_micros), int(row.reversed_tally)),
        )
        for row, transfer in zip(found, transfers, strict=True)
    }


async def due_holds(
    connection: AsyncConnection, accounts: AccountIds, since: datetime, now: datetime
) -> DueHolds:
    """The open holds whose time is over at now. since: none was over before."""
    times = {"since": since, "now": now}
    rows = await connection.execute(_DUE, {**times, "limit": DUE_MAX})
    found = rows.all()
    transfers = await _transfers(connection, accounts, found)
    holds = [
        Due(TransferName(row.sequence, row.position), transfer)
        for row, transfer in zip(found, transfers, strict=True)
    ]
    if len(holds) == DUE_MAX:
        return DueHolds(holds, since)
    return DueHolds(holds, await connection.scalar(_NEXT_EXPIRY, {"now": now}))


async def _transfers(
    connection: AsyncConnection, accounts: AccountIds, rows: Sequence[Row[Any]]
) -> list[Transfer]:
    read = [TransferRow(*row[: len(TransferRow._fields)]) for row in rows]
    ids = {row.debit_account_id for row in read} | {row.credit_account_id for row in read}
    names: Mapping[int, Any] = await accounts.names_of(connection, ids)
    return [transfer_of(row, names) for row in read]


# In the order of TransferRow.
_COLUMNS = """
    t.sequence, t.position, t.debit_account_id, t.credit_account_id, t.amount_micros, t.campaign,
    t.project, t.hour, t.count AS tally, t.moves, s.kind AS step, s.of_sequence, s.of_position,
    s.expire_time
"""

_NAMED = text(f"""
    SELECT {_COLUMNS}, e.kind AS end_kind, e.sequence AS end_sequence,
           coalesce(r.micros, 0) AS reversed_micros, coalesce(r.tally, 0) AS reversed_tally
    FROM unnest(CAST(:sequences AS bigint[]), CAST(:positions AS integer[]))
        AS n (sequence, position)
    CROSS JOIN LATERAL (
        SELECT *, true AS moves FROM transfers
        WHERE (sequence, position) = (n.sequence, n.position)
        UNION ALL
        SELECT *, false FROM reserved WHERE (sequence, position) = (n.sequence, n.position)
    ) AS t
    LEFT JOIN steps s ON (s.sequence, s.position) = (n.sequence, n.position)
    LEFT JOIN steps e
        ON (e.of_sequence, e.of_position) = (n.sequence, n.position) AND e.kind IN (2, 3, 4)
    LEFT JOIN LATERAL (
        SELECT sum(m.amount_micros) AS micros, sum(m.count) AS tally
        FROM steps b JOIN transfers m ON (m.sequence, m.position) = (b.sequence, b.position)
        WHERE (b.of_sequence, b.of_position) = (n.sequence, n.position) AND b.kind = 5
    ) AS r ON true
    ORDER BY n.sequence, n.position
""")  # noqa: S608  our own column names

_IS_OPEN = """
    s.kind = 1 AND NOT EXISTS (
        SELECT FROM steps e
        WHERE (e.of_sequence, e.of_position) = (s.sequence, s.position) AND e.kind IN (2, 3, 4)
    )
"""

_DUE = text(f"""
    SELECT {_COLUMNS}
    FROM steps s JOIN (SELECT *, false AS moves FROM reserved) AS t
        ON (t.sequence, t.position) = (s.sequence, s.position)
    WHERE s.expire_time BETWEEN :since AND :now AND {_IS_OPEN}
    ORDER BY s.expire_time, s.sequence, s.position LIMIT :limit
""")  # noqa: S608  our own column names

_NEXT_EXPIRY = text(f"""
    SELECT s.expire_time FROM steps s
    WHERE s.expire_time > :now AND {_IS_OPEN}
    ORDER BY s.expire_time LIMIT 1
""")  # noqa: S608  our own column names
