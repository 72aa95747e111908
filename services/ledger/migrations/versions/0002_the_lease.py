"""the lease

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Applies the change. The code before does not know of terms, and is fenced by nothing."""
    op.execute("ALTER TABLE head ADD COLUMN term bigint NOT NULL DEFAULT 0")
    op.execute(
        """
        CREATE TABLE lease (
            id smallint NOT NULL,
            holder uuid,
            until timestamptz NOT NULL,
            CONSTRAINT lease_pkey PRIMARY KEY (id),
            CONSTRAINT lease_one_row_check CHECK (id = 1)
        )"""
    )
    op.execute("INSERT INTO lease (id, until) VALUES (1, '-infinity')")
    grant("SELECT, UPDATE", "lease")
