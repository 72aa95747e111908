"""life of a gift

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.

What was booked of refunds becomes moves, derived from the refunds in the order of their booking.
`refund_totals` and `refunds.position` stay for the code of before and are no longer read; what that
code still books beside the new has no moves, and the audit names its batches.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0007"
down_revision = "0006"

_TABLES = """
CREATE TABLE links (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    rail_bucket smallint NOT NULL,
    rail_partner_id smallint NOT NULL,
    rail_external_id text COLLATE "C" NOT NULL,
    CONSTRAINT links_pkey PRIMARY KEY (bucket, partner_id, external_id)
);
CREATE INDEX links_rail_idx ON links (rail_bucket, rail_partner_id, rail_external_id);
CREATE TABLE disputes (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    dispute_id text COLLATE "C" NOT NULL,
    status smallint NOT NULL,
    amount_micros bigint NOT NULL,
    currency char(3) COLLATE "C" NOT NULL,
    event_time timestamptz NOT NULL,
    recorded_time timestamptz NOT NULL,
    CONSTRAINT disputes_pkey PRIMARY KEY (bucket, partner_id, external_id, dispute_id, status)
);
CREATE TABLE stages (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    stage smallint NOT NULL,
    event_time timestamptz NOT NULL,
    recorded_time timestamptz NOT NULL,
    CONSTRAINT stages_pkey PRIMARY KEY (bucket, partner_id, external_id, event_id)
);
CREATE TABLE moves (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    kind smallint NOT NULL,
    gift_count smallint NOT NULL,
    amount_micros bigint NOT NULL,
    batch_id uuid NOT NULL,
    CONSTRAINT moves_pkey PRIMARY KEY (bucket, partner_id, external_id, number)
);
CREATE INDEX moves_batch_id_idx ON moves USING brin (batch_id) WITH (autosummarize = on);
CREATE TABLE positions (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    moves integer NOT NULL,
    state smallint NOT NULL,
    refunded_micros bigint NOT NULL,
    joined boolean NOT NULL,
    CONSTRAINT positions_pkey PRIMARY KEY (bucket, partner_id, external_id)
) WITH (fillfactor = 70);
CREATE TABLE waiting (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    batch_id uuid NOT NULL,
    CONSTRAINT waiting_pkey PRIMARY KEY (bucket, partner_id, external_id, batch_id)
);
"""

# What was given back in all with each refund, in the order of booking; how that splits between the
# project and suspense; and by how much either part grew with each batch.
_MOVES = """
WITH given_back AS (
    SELECT r.batch_id, r.bucket, r.partner_id, r.external_id, r.position,
           d.amount_micros, d.project_id,
           coalesce(sum(r.amount_micros) FILTER (WHERE NOT r.cumulative) OVER booked, 0)
           + coalesce(max(r.amount_micros) FILTER (WHERE r.cumulative) OVER booked, 0) AS total
    FROM refunds r JOIN donations d USING (bucket, partner_id, external_id)
    WHERE r.batch_id IS NOT NULL
    WINDOW booked AS (PARTITION BY r.bucket, r.partner_id, r.external_id ORDER BY r.position)
), parts AS (
    SELECT g.*, k.kind,
           CASE WHEN k.kind = 3 THEN attributed ELSE total - attributed END AS part
    FROM given_back g
    CROSS JOIN LATERAL (
        SELECT CASE WHEN project_id = 0 THEN 0 ELSE least(total, amount_micros) END AS attributed
    ) s
    CROSS JOIN (VALUES (3), (4)) AS k(kind)
), grown AS (
    SELECT *, lag(part, 1, 0::numeric) OVER (
        PARTITION BY kind, bucket, partner_id, external_id ORDER BY position) AS before
    FROM parts
), summed AS (
    SELECT bucket, partner_id, external_id, batch_id, kind, min(position) AS position,
           sum(part - before) AS micros, count(*) FILTER (WHERE before = 0) AS gift_count
    FROM grown WHERE part > before
    GROUP BY 1, 2, 3, 4, 5
)
INSERT INTO moves (bucket, partner_id, external_id, number, kind, gift_count, amount_micros,
                   batch_id)
SELECT bucket, partner_id, external_id,
       row_number() OVER (PARTITION BY bucket, partner_id, external_id ORDER BY position, kind),
       kind, gift_count, micros, batch_id
FROM summed
"""

_POSITIONS = """
INSERT INTO positions (bucket, partner_id, external_id, moves, state, refunded_micros, joined)
SELECT t.bucket, t.partner_id, t.external_id,
       (SELECT count(*) FROM moves m
        WHERE (m.bucket, m.partner_id, m.external_id) = (t.bucket, t.partner_id, t.external_id)),
       CASE WHEN t.single_micros + t.running_micros >= d.amount_micros THEN 5 ELSE 1 END,
       least(t.single_micros + t.running_micros, d.amount_micros), false
FROM refund_totals t JOIN donations d USING (bucket, partner_id, external_id)
"""

_WAITING = """
INSERT INTO waiting (bucket, partner_id, external_id, batch_id)
SELECT DISTINCT bucket, partner_id, external_id,
       CAST('00000000-0000-0000-0000-000000000000' AS uuid)
FROM refunds WHERE batch_id IS NULL
"""


def upgrade() -> None:
    """Applies the change."""
    for statements in (_TABLES, _MOVES, _POSITIONS, _WAITING):
        op.execute(statements)
    grant("SELECT, INSERT", "links", "disputes", "stages", "moves")
    grant("SELECT, INSERT, UPDATE", "positions")
    grant("SELECT, INSERT, DELETE", "waiting")
