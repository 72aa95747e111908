"""declared watermarks

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0011"
down_revision = "0010"

_TABLE = """
CREATE TABLE declared_watermarks (
    partner text COLLATE "C" NOT NULL,
    transaction_id uuid NOT NULL,
    complete_until timestamptz NOT NULL,
    CONSTRAINT declared_watermarks_pkey PRIMARY KEY (partner, transaction_id)
)
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_TABLE)
    # A queue; to lock its rows needs the right to change them.
    grant("SELECT, INSERT, UPDATE, DELETE", "declared_watermarks")
