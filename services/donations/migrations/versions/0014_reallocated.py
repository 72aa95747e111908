"""reallocated

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.

The code before takes the first decision about a gift for the one in force. Replace all processes,
ledgers first, before the first gift is allocated anew.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0014"
down_revision = "0013"

_TABLE = """
CREATE TABLE reallocated (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    project_id integer NOT NULL,
    campaign_id integer NOT NULL,
    first_move integer NOT NULL,
    request_id uuid NOT NULL,
    allocate_time timestamptz NOT NULL,
    seal_id uuid,
    CONSTRAINT reallocated_pkey PRIMARY KEY (bucket, partner_id, external_id, number)
)
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_TABLE)
    grant("SELECT, INSERT", "reallocated")
