"""What the audit asks of holds, their ends and reversals. Each statement finds what is wrong."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.sql import TextClause

COUNT_STEPS = text("SELECT count(*) FROM steps")

STRAY_TRANSFER = text("""
    SELECT sequence FROM transfers t
    WHERE NOT EXISTS (SELECT FROM entries e WHERE e.sequence = t.sequence)
    UNION ALL
    SELECT sequence FROM reserved r
    WHERE NOT EXISTS (SELECT FROM entries e WHERE e.sequence = r.sequence)
    UNION ALL
    SELECT sequence FROM late_arrivals l
    WHERE NOT EXISTS (SELECT FROM entries e WHERE e.sequence = l.sequence)
    UNION ALL
    SELECT sequence FROM steps s
    WHERE NOT EXISTS (
        SELECT FROM transfers t WHERE (t.sequence, t.position) = (s.sequence, s.position)
    ) AND NOT EXISTS (
        SELECT FROM reserved r WHERE (r.sequence, r.position) = (s.sequence, s.position)
    )
    LIMIT 1
""")

# Everything but the amount, the count and, in a reversal, the sides.
_SAME = "(b.campaign, b.project) = (t.campaign, t.project) AND b.hour IS NOT DISTINCT FROM t.hour"
_SIDES = "(b.debit_account_id, b.credit_account_id) = (t.debit_account_id, t.credit_account_id)"
_SWAPPED = "(b.debit_account_id, b.credit_account_id) = (t.credit_account_id, t.debit_account_id)"

_MOVED = "(SELECT * FROM transfers UNION ALL SELECT * FROM reserved)"

HOLD_FAULTS: Mapping[str, TextClause] = {
    "ends no hold that stands before it": text("""
        SELECT e.sequence, e.position FROM steps e
        WHERE e.kind IN (2, 3, 4) AND NOT EXISTS (
            SELECT FROM steps h JOIN reserved USING (sequence, position)
            WHERE (h.sequence, h.position) = (e.of_sequence, e.of_position)
            AND h.kind = 1 AND h.sequence < e.sequence
        )
    """),
    "ends a hold that had ended": text("""
        SELECT max(sequence) AS sequence, max(position) AS position FROM steps
        WHERE kind IN (2, 3, 4) GROUP BY of_sequence, of_position HAVING count(*) > 1
    """),
    "is not like the hold that it ends": text(f"""
        SELECT e.sequence, e.position
        FROM steps e
        JOIN {_MOVED} AS b ON (b.sequence, b.position) = (e.sequence, e.position)
        JOIN reserved t ON (t.sequence, t.position) = (e.of_sequence, e.of_position)
        WHERE e.kind IN (2, 3, 4) AND NOT (
            {_SIDES} AND {_SAME} AND CASE e.kind
                WHEN 2 THEN b.amount_micros <= t.amount_micros AND b.count <= t.count
                ELSE (b.amount_micros, b.count) = (t.amount_micros, t.count)
            END
        )
    """),  # noqa: S608  our own conditions
    "ends its hold before or after the time that it may": text("""
        SELECT e.sequence, e.position
        FROM steps e
        JOIN entries w ON w.sequence = e.sequence
        JOIN steps h ON (h.sequence, h.position) = (e.of_sequence, e.of_position)
        WHERE e.kind IN (2, 3, 4)
        AND (e.kind = 4) <> coalesce(h.expire_time <= w.recorded_time, false)
    """),
    "is over before the next expiry that the head names": text("""
        SELECT h.sequence, h.position FROM steps h CROSS JOIN head
        WHERE h.kind = 1 AND h.expire_time IS NOT NULL
        AND h.expire_time < coalesce(head.next_expiry, 'infinity') AND NOT EXISTS (
            SELECT FROM steps e
            WHERE (e.of_sequence, e.of_position) = (h.sequence, h.position) AND e.kind IN (2, 3, 4)
        )
    """),
    "reverses nothing that moved before it": text(f"""
        SELECT s.sequence, s.position
        FROM steps s
        JOIN transfers b ON (b.sequence, b.position) = (s.sequence, s.position)
        JOIN entries w ON w.sequence = s.sequence
        WHERE s.kind = 5 AND NOT EXISTS (
            SELECT FROM transfers t
            LEFT JOIN steps o ON (o.sequence, o.position) = (t.sequence, t.position)
            WHERE (t.sequence, t.position) = (s.of_sequence, s.of_position)
            AND t.sequence < s.sequence AND t.sequence = w.reverses
            AND o.kind IS DISTINCT FROM 5 AND {_SWAPPED} AND {_SAME}
        )
    """),  # noqa: S608  our own conditions
    "is reversed beyond what it moved": text("""
        SELECT t.sequence, t.position
        FROM (
            SELECT s.of_sequence, s.of_position, sum(b.amount_micros) AS micros,
                   sum(b.count) AS tally
            FROM steps s JOIN transfers b ON (b.sequence, b.position) = (s.sequence, s.position)
            WHERE s.kind = 5 GROUP BY s.of_sequence, s.of_position
        ) AS r
        JOIN transfers t ON (t.sequence, t.position) = (r.of_sequence, r.of_position)
        WHERE r.micros > t.amount_micros OR r.tally > t.count
        OR (r.micros = t.amount_micros AND r.tally <> t.count)
    """),
}
"""By what is wrong with the transfer that a row names."""

HELD = text("""
    WITH open_holds AS (
        SELECT r.* FROM reserved r
        JOIN steps h ON (h.sequence, h.position) = (r.sequence, r.position) AND h.kind = 1
        WHERE NOT EXISTS (
            SELECT FROM steps e
            WHERE (e.of_sequence, e.of_position) = (r.sequence, r.position) AND e.kind IN (2, 3, 4)
        )
    ), held AS (
        SELECT account_id, sum(debits) AS debits, sum(credits) AS credits
        FROM (
            SELECT debit_account_id AS account_id, amount_micros AS debits, 0 AS credits
            FROM open_holds
            UNION ALL
            SELECT credit_account_id, 0, amount_micros FROM open_holds
        ) AS sides
        GROUP BY account_id
    )
    SELECT account_id, b.held_debits AS kept_debits, b.held_credits AS kept_credits,
           coalesce(h.debits, 0) AS held_debits, coalesce(h.credits, 0) AS held_credits
    FROM balances b FULL JOIN held h USING (account_id)
    WHERE (coalesce(b.held_debits, 0), coalesce(b.held_credits, 0))
        IS DISTINCT FROM (coalesce(h.debits, 0), coalesce(h.credits, 0))
    ORDER BY account_id
""")
