"""dates, steps and holds

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.

An entry that the code before writes is of version 1, which is the column's default.
"""

import sqlalchemy as sa
from alembic import op

from services.runtime.migrations import grant

revision = "0003"
down_revision = "0002"

_CODE = sa.Text(collation="C")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Applies the change."""
    _columns()
    _reserved()
    _steps()
    op.create_table(
        "late_arrivals",
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("value_date", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "position", name="late_arrivals_pkey"),
    )
    op.create_index(
        "late_arrivals_value_date_sequence_idx", "late_arrivals", ["value_date", "sequence"]
    )
    grant("SELECT, INSERT", "reserved", "steps", "late_arrivals")


def _columns() -> None:
    """None of them rewrites its table: they are empty, or have one value for all rows."""
    op.add_column(
        "entries", sa.Column("version", sa.SmallInteger, nullable=False, server_default="1")
    )
    op.add_column("entries", sa.Column("value_date", sa.Date))
    op.add_column("entries", sa.Column("book_date", sa.Date))
    op.add_column("entries", sa.Column("reverses", sa.BigInteger))
    for side in ("debits", "credits"):
        op.add_column(
            "balances",
            sa.Column(f"held_{side}", sa.BigInteger, nullable=False, server_default="0"),
        )
    op.add_column("balances", sa.Column("state", sa.SmallInteger))
    op.add_column("balances", sa.Column("account_limit", sa.SmallInteger))
    op.create_check_constraint(
        "balances_held_check", "balances", "held_debits >= 0 AND held_credits >= 0"
    )
    op.add_column("head", sa.Column("next_expiry", _TIME))
    op.add_column(
        "head", sa.Column("periods_sequence", sa.BigInteger, nullable=False, server_default="0")
    )


def _reserved() -> None:
    op.create_table(
        "reserved",
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("debit_account_id", sa.Integer, nullable=False),
        sa.Column("credit_account_id", sa.Integer, nullable=False),
        sa.Column("amount_micros", sa.BigInteger, nullable=False),
        sa.Column("campaign", _CODE, nullable=False),
        sa.Column("project", _CODE, nullable=False),
        sa.Column("hour", _TIME),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "position", name="reserved_pkey"),
        sa.CheckConstraint("amount_micros > 0", name="reserved_amount_check"),
        sa.CheckConstraint("debit_account_id <> credit_account_id", name="reserved_accounts_check"),
    )
    for side in ("debit", "credit"):
        op.create_index(
            f"reserved_{side}_account_id_sequence_idx",
            "reserved",
            [f"{side}_account_id", "sequence"],
        )


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("of_sequence", sa.BigInteger),
        sa.Column("of_position", sa.Integer),
        sa.Column("expire_time", _TIME),
        sa.PrimaryKeyConstraint("sequence", "position", name="steps_pkey"),
    )
    op.create_index("steps_of_sequence_of_position_idx", "steps", ["of_sequence", "of_position"])
    op.create_index(
        "steps_expire_time_idx", "steps", ["expire_time"], postgresql_where=sa.text("kind = 1")
    )
    op.create_index(
        "steps_end_key",
        "steps",
        ["of_sequence", "of_position"],
        unique=True,
        postgresql_where=sa.text("kind IN (2, 3, 4)"),
    )
