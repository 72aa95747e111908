"""the log: checkpoints, kept nodes of the tree, keys

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

import sqlalchemy as sa
from alembic import op

from services.runtime.migrations import grant

revision = "0006"
down_revision = "0005"

_ASCII = sa.Text(collation="C")


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("size", name="checkpoints_pkey"),
        sa.CheckConstraint("size > 0", name="checkpoints_size_check"),
    )
    op.create_table(
        "tree_nodes",
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name="tree_nodes_pkey"),
    )
    op.create_table(
        "log_keys",
        sa.Column("verifier_key", _ASCII, nullable=False),
        sa.PrimaryKeyConstraint("verifier_key", name="log_keys_pkey"),
    )
    # What is signed once stays: no UPDATE and no DELETE for the service.
    grant("SELECT, INSERT", "checkpoints", "tree_nodes", "log_keys")
