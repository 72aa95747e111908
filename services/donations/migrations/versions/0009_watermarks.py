"""watermarks

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0009"
down_revision = "0008"

_TABLE = """
CREATE TABLE watermarks (
    partner text COLLATE "C" NOT NULL,
    complete_until timestamptz NOT NULL,
    CONSTRAINT watermarks_pkey PRIMARY KEY (partner)
)
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_TABLE)
    grant("SELECT, INSERT, UPDATE", "watermarks")
