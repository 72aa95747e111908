"""review

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0006"
down_revision = "0005"

_REPLAYS = """
CREATE TABLE quarantine_replays (
    digest bytea NOT NULL,
    request_id uuid NOT NULL,
    caller text COLLATE "C" NOT NULL,
    replay_time timestamptz NOT NULL,
    outcomes smallint[] NOT NULL,
    reason text COLLATE "C",
    message text NOT NULL,
    CONSTRAINT quarantine_replays_pkey PRIMARY KEY (digest, request_id)
);
"""

# Neither table is large: claims are contradictions, and quarantine is bounded by the hour.
_INDEXES = """
CREATE INDEX conflicts_received_time_idx ON conflicts (received_time);
CREATE INDEX conflicts_partner_id_received_time_idx ON conflicts (partner_id, received_time);
CREATE INDEX quarantine_received_time_idx ON quarantine (received_time);
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_REPLAYS)
    op.execute(_INDEXES)
    grant("SELECT, INSERT", "quarantine_replays")
