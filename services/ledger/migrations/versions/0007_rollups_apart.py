"""no two rollups begin at one entry

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Applies the change. The table has a row for ten thousand entries."""
    op.create_unique_constraint("rollups_first_sequence_key", "rollups", ["first_sequence"])
