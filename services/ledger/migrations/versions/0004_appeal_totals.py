"""personal appeals' totals, apart from charity's

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

import sqlalchemy as sa
from alembic import op

from services.runtime.migrations import grant

revision = "0004"
down_revision = "0003"

_CODE = sa.Text(collation="C")


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "appeal_totals",
        sa.Column("campaign", _CODE, nullable=False),
        sa.Column("project", _CODE, nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("partner", _CODE, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("currency", _CODE, nullable=False),
        sa.Column("micros", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "campaign",
            "project",
            "hour",
            "partner",
            "state",
            "currency",
            name="appeal_totals_pkey",
        ),
        postgresql_with={"fillfactor": "60"},
    )
    grant("SELECT, INSERT, UPDATE", "appeal_totals")
