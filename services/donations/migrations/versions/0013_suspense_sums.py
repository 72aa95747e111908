"""suspense sums

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.

What stands in suspense is added up, which takes seconds where there are many millions. What the
code of before records beside the new is in no sum, and the audit names its kind.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0013"
down_revision = "0012"

_TABLE = """
CREATE TABLE suspense_sums (
    partner_id smallint NOT NULL,
    project text COLLATE "C" NOT NULL,
    reason smallint NOT NULL,
    currency char(3) COLLATE "C" NOT NULL,
    slot smallint NOT NULL,
    gifts bigint NOT NULL,
    micros numeric NOT NULL,
    CONSTRAINT suspense_sums_pkey PRIMARY KEY (partner_id, project, reason, currency, slot)
) WITH (fillfactor = 50)
"""

_SUMS = """
INSERT INTO suspense_sums (partner_id, project, reason, currency, slot, gifts, micros)
SELECT s.partner_id, s.project, s.reason, d.currency, 0, count(*),
       sum(d.amount_micros - coalesce(t.refunded_micros, 0))
FROM suspended s
JOIN donations d USING (bucket, partner_id, external_id)
LEFT JOIN positions t USING (bucket, partner_id, external_id)
LEFT JOIN allocated w USING (bucket, partner_id, external_id)
WHERE w.bucket IS NULL AND t.joined IS NOT TRUE
  AND coalesce(t.refunded_micros, 0) < d.amount_micros
GROUP BY s.partner_id, s.project, s.reason, d.currency
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_TABLE)
    op.execute(_SUMS)
    grant("SELECT, INSERT, UPDATE, DELETE", "suspense_sums")
