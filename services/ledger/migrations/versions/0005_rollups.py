"""rollups

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

import sqlalchemy as sa
from alembic import op

from services.runtime.migrations import grant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Applies the change. What is in the books already is rolled up by the service."""
    op.create_table(
        "rollups",
        sa.Column("last_sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("first_sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("last_sequence", name="rollups_pkey"),
    )
    op.create_table(
        "daily_turnovers",
        sa.Column("account_id", sa.Integer, nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("value_date", sa.Date, nullable=False),
        sa.Column("debits", sa.BigInteger, nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "account_id", "last_sequence", "value_date", name="daily_turnovers_pkey"
        ),
    )
    grant("SELECT, INSERT", "rollups", "daily_turnovers")
