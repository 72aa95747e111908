"""Every account beside what its transfers add up to, for the audit."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text

from services.ledger.domain import AccountName


class HeldAccount(NamedTuple):
    """An account beside its stored balance and what its transfers add up to.

    name, kind and owner are None where no account has the id; the stored sums where it has no
    balance. state, limit: what was decided on it, as kept; None if nothing was. first_sequence,
    first_time: of the first entry with a transfer on it.
    """

    id: int
    name: AccountName | None
    kind: int | None
    owner: str | None
    stored_debits: int | None
    stored_credits: int | None
    moved_debits: int
    moved_credits: int
    state: int | None
    limit: int | None
    create_time: datetime | None
    first_sequence: int | None
    first_time: datetime | None


def held_account_of(row: Row[Any]) -> HeldAccount:
    """A row of HELD_ACCOUNTS."""
    return HeldAccount(
        row.account_id,
        None if row.code is None else AccountName(row.code, row.currency),
        row.kind,
        row.owner,
        row.debits,
        row.credits,
        int(row.moved_debits),
        int(row.moved_credits),
        row.state,
        row.account_limit,
        row.create_time,
        row.first_sequence,
        row.first_time,
    )


HELD_ACCOUNTS = text("""
    WITH moved AS (
        SELECT account_id, sum(debits) AS debits, sum(credits) AS credits,
               min(sequence) AS first_sequence
        FROM (
            SELECT debit_account_id AS account_id, sum(amount_micros) AS debits, 0 AS credits,
                   min(sequence) AS sequence
            FROM transfers GROUP BY debit_account_id
            UNION ALL
            SELECT credit_account_id, 0, sum(amount_micros), min(sequence)
            FROM transfers GROUP BY credit_account_id
            UNION ALL
            SELECT debit_account_id, 0, 0, min(sequence) FROM reserved GROUP BY debit_account_id
            UNION ALL
            SELECT credit_account_id, 0, 0, min(sequence) FROM reserved GROUP BY credit_account_id
        ) AS sides
        GROUP BY account_id
    )
    SELECT account_id, a.code, a.currency, a.kind, a.owner, b.debits, b.credits,
           coalesce(m.debits, 0) AS moved_debits, coalesce(m.credits, 0) AS moved_credits,
           b.state, b.account_limit, a.create_time, m.first_sequence,
           e.recorded_time AS first_time
    FROM moved m
    FULL JOIN balances b USING (account_id)
    FULL JOIN (SELECT id AS account_id, code, currency, kind, owner, create_time FROM accounts) a
        USING (account_id)
    LEFT JOIN entries e ON e.sequence = m.first_sequence
    ORDER BY account_id
""")
