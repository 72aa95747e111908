"""the books

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.runtime.migrations import grant

revision = "0001"
down_revision = None

_CODE = sa.Text(collation="C")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Applies the change."""
    _journal()
    _derived()
    # What is written once stays: no UPDATE and no DELETE for the service.
    grant("SELECT, INSERT", "accounts", "entries", "transfers")
    grant("SELECT, INSERT, UPDATE", "balances", "totals", "watermarks")
    grant("SELECT, UPDATE", "head")


def _journal() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, sa.Identity(always=False), nullable=False),
        sa.Column("code", _CODE, nullable=False),
        sa.Column("currency", _CODE, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("owner", _CODE, nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="accounts_pkey"),
        sa.UniqueConstraint("code", "currency", name="accounts_code_currency_key"),
    )
    op.create_table(
        "entries",
        sa.Column("sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.UUID, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("cause_kind", sa.SmallInteger, nullable=False),
        sa.Column("cause_id", _CODE, nullable=False),
        sa.Column("value_time", _TIME, nullable=False),
        sa.Column("recorded_time", _TIME, nullable=False),
        sa.Column("metadata", JSONB, nullable=False),
        sa.Column("previous_hash", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="entries_pkey"),
        sa.UniqueConstraint("entry_id", name="entries_entry_id_key"),
        sa.CheckConstraint("sequence > 0", name="entries_sequence_check"),
    )
    op.create_index(
        "entries_cause_kind_cause_id_sequence_idx",
        "entries",
        ["cause_kind", "cause_id", "sequence"],
    )
    op.create_table(
        "transfers",
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("debit_account_id", sa.Integer, nullable=False),
        sa.Column("credit_account_id", sa.Integer, nullable=False),
        sa.Column("amount_micros", sa.BigInteger, nullable=False),
        sa.Column("campaign", _CODE, nullable=False),
        sa.Column("project", _CODE, nullable=False),
        sa.Column("hour", _TIME),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "position", name="transfers_pkey"),
        sa.CheckConstraint("amount_micros > 0", name="transfers_amount_check"),
        sa.CheckConstraint(
            "debit_account_id <> credit_account_id", name="transfers_accounts_check"
        ),
    )
    for side in ("debit", "credit"):
        op.create_index(
            f"transfers_{side}_account_id_sequence_idx",
            "transfers",
            [f"{side}_account_id", "sequence"],
        )


def _derived() -> None:
    op.create_table(
        "balances",
        sa.Column("account_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("debits", sa.BigInteger, nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="balances_pkey"),
        sa.CheckConstraint("debits >= 0 AND credits >= 0", name="balances_sums_check"),
        postgresql_with={"fillfactor": "60"},
    )
    op.create_table(
        "totals",
        sa.Column("campaign", _CODE, nullable=False),
        sa.Column("project", _CODE, nullable=False),
        sa.Column("hour", _TIME, nullable=False),
        sa.Column("partner", _CODE, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("currency", _CODE, nullable=False),
        sa.Column("micros", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "campaign", "project", "hour", "partner", "state", "currency", name="totals_pkey"
        ),
        postgresql_with={"fillfactor": "60"},
    )
    op.create_table(
        "watermarks",
        sa.Column("partner", _CODE, nullable=False),
        sa.Column("complete_until", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("partner", name="watermarks_pkey"),
    )
    head = op.create_table(
        "head",
        sa.Column("id", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("recorded_time", _TIME),
        sa.PrimaryKeyConstraint("id", name="head_pkey"),
        sa.CheckConstraint("id = 1", name="head_one_row_check"),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": bytes(32), "recorded_time": None}])
