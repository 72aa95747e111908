"""allocations

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.

The code before takes an allocated gift for one in suspense: its audit tells of a difference, and
what happens to the gift waits. Replace all processes before the first allocation.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0012"
down_revision = "0011"

_TABLES = """
CREATE TABLE allocations (
    request_id uuid NOT NULL,
    caller text COLLATE "C" NOT NULL,
    project_id integer NOT NULL,
    content jsonb NOT NULL,
    create_time timestamptz NOT NULL,
    seal_id uuid,
    CONSTRAINT allocations_pkey PRIMARY KEY (request_id)
);
CREATE TABLE allocation_steps (
    request_id uuid NOT NULL,
    number integer NOT NULL,
    counts jsonb NOT NULL,
    sums jsonb NOT NULL,
    outcomes smallint[] NOT NULL,
    end_bucket smallint NOT NULL,
    end_id text COLLATE "C" NOT NULL,
    is_last boolean NOT NULL,
    step_time timestamptz NOT NULL,
    seal_id uuid,
    CONSTRAINT allocation_steps_pkey PRIMARY KEY (request_id, number)
);
CREATE TABLE allocated (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    project_id integer NOT NULL,
    campaign_id integer NOT NULL,
    request_id uuid NOT NULL,
    allocate_time timestamptz NOT NULL,
    seal_id uuid,
    CONSTRAINT allocated_pkey PRIMARY KEY (bucket, partner_id, external_id)
);
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_TABLES)
    grant("SELECT, INSERT", "allocations", "allocation_steps", "allocated")
