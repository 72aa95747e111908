"""pledge sums

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.

What orders there are is added up, which takes seconds where there are many millions. What the code
of before records beside the new is in no sum, and the audit names its pledge. The index by pledge
stays for that code and is no longer read.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0010"
down_revision = "0009"

_TABLE = """
CREATE TABLE pledge_sums (
    pledge_id integer NOT NULL,
    slot smallint NOT NULL,
    orders bigint NOT NULL,
    paid_micros numeric NOT NULL,
    basis_micros numeric NOT NULL,
    given_micros numeric NOT NULL,
    remainders bigint NOT NULL,
    latest_time timestamptz NOT NULL,
    CONSTRAINT pledge_sums_pkey PRIMARY KEY (pledge_id, slot)
) WITH (fillfactor = 50)
"""

_SUMS = """
INSERT INTO pledge_sums (pledge_id, slot, orders, paid_micros, basis_micros, given_micros,
                         remainders, latest_time)
SELECT o.pledge_id, 0, count(*) FILTER (WHERE o.paid_micros > 0), sum(o.paid_micros),
       sum(CASE WHEN p.fixed_micros > 0 THEN least(o.paid_micros, p.fixed_micros)
                ELSE o.paid_micros END),
       sum(o.given_micros), count(*) FILTER (WHERE o.paid_micros = 0), max(o.event_time)
FROM pledged_orders o LEFT JOIN pledges p ON p.id = o.pledge_id
GROUP BY o.pledge_id
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_TABLE)
    op.execute(_SUMS)
    grant("SELECT, INSERT, UPDATE", "pledge_sums")
