"""Every account beside what its transfers add up to, for the audit."""

from sqlalchemy import text

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
