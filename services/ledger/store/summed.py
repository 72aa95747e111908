"""Transfers summed up: those that differ in amount and count alone are one."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.domain import Changes, Step, StepKind, Transfer, Uncounted
from services.ledger.journal.totals import changes_of

_REVERSAL = Step(StepKind.REVERSE)


def summed_transfer(row: Row[Any]) -> Transfer:
    """A sum. It may exceed 64 bits. Reversals are apart, with a step that says only that."""
    return Transfer(
        row.debit,
        row.credit,
        int(row.micros),
        row.currency,
        row.campaign,
        row.project,
        row.hour,
        int(row.tally),
        _REVERSAL if row.is_reversal else None,
    )


async def changes_by(connection: AsyncConnection, entries: Uncounted) -> Changes:
    """What entries change in the totals. Raises the Fault of an account outside the chart."""
    if entries.after >= entries.through:
        return {}
    rows = await connection.execute(_SUMMED_BETWEEN, entries._asdict())
    return changes_of(map(summed_transfer, rows))


_SUMMED = """
    SELECT d.code AS debit, c.code AS credit, d.currency, t.campaign, t.project, t.hour,
           t.micros, t.tally, t.is_reversal
    FROM (
        SELECT debit_account_id, credit_account_id, campaign, project, hour,
               s.sequence IS NOT NULL AS is_reversal,
               sum(amount_micros) AS micros, sum(count) AS tally
        FROM transfers m
        LEFT JOIN steps s ON (s.sequence, s.position) = (m.sequence, m.position) AND s.kind = 5
            {steps}
        WHERE hour IS NOT NULL {transfers}
        GROUP BY debit_account_id, credit_account_id, campaign, project, hour, is_reversal
    ) AS t
    JOIN accounts d ON d.id = t.debit_account_id
    JOIN accounts c ON c.id = t.credit_account_id
"""

SUMMED_TRANSFERS = text(
    f"{_SUMMED.format(steps='', transfers='')} ORDER BY campaign, project, hour"
)

# Both tables are told the bounds: of what follows from a join the planner knows nothing.
_SUMMED_BETWEEN = text(
    _SUMMED.format(
        steps="AND s.sequence > :after AND s.sequence <= :through",
        transfers="AND m.sequence > :after AND m.sequence <= :through",
    )
)
