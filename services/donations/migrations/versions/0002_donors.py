"""donors

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0002"
down_revision = "0001"

_DONORS = """
CREATE TABLE donors (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    donor_token bytea NOT NULL,
    key_id text COLLATE "C",
    wrapped_key bytea,
    sealed bytea,
    update_time timestamptz,
    recorded_time timestamptz,
    erase_time timestamptz,
    erased_by text COLLATE "C",
    CONSTRAINT donors_pkey PRIMARY KEY (bucket, partner_id, donor_token),
    CONSTRAINT donors_sealed_or_erased_check CHECK (
        num_nulls(key_id, wrapped_key, sealed, update_time, recorded_time)
        = CASE WHEN erase_time IS NULL THEN 0 ELSE 5 END)
);
CREATE INDEX donors_key_id_idx ON donors (key_id, bucket, partner_id, donor_token)
    WHERE key_id IS NOT NULL;
CREATE TABLE donor_readings (
    bucket smallint NOT NULL,
    partner_id smallint NOT NULL,
    donor_token bytea NOT NULL,
    request_id uuid NOT NULL,
    reader text COLLATE "C" NOT NULL,
    purpose smallint NOT NULL,
    case_reference text COLLATE "C" NOT NULL,
    read_time timestamptz NOT NULL,
    CONSTRAINT donor_readings_pkey PRIMARY KEY (bucket, partner_id, donor_token, request_id)
);
"""

# What is erased is overwritten, and its row stays. Which donor a row is about never changes.
_MAY_CHANGE = "key_id, wrapped_key, sealed, update_time, recorded_time, erase_time, erased_by"


def upgrade() -> None:
    """Applies the change."""
    op.execute(_DONORS)
    grant(f"SELECT, INSERT, UPDATE ({_MAY_CHANGE})", "donors")
    grant("SELECT, INSERT", "donor_readings")
