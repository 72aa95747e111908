"""entries that the totals do not count yet

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Applies the change. The table has one row. Where both are equal, all entries are counted."""
    for name in ("uncounted_after", "uncounted_through"):
        op.add_column("head", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
