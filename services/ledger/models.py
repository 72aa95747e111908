"""The ledger's tables.

Accounts, entries and transfers are only ever added to: the service's role may do nothing else with
them (migrations). Balances, totals and watermarks are derived from them, and the audit derives them
again. No foreign keys among them: only the writer inserts, it keeps them whole under the head's
lock, a check for each row would cost more than the row, and the audit finds what does not fit.
"""

from sqlalchemy import (
    UUID,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.runtime.database import NAMING_CONVENTION

metadata = MetaData(naming_convention=NAMING_CONVENTION)

# Codes are ASCII, and compare byte by byte, as Python does.
_CODE = Text(collation="C")
_TIME = DateTime(timezone=True)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("code", _CODE, nullable=False),
    Column("currency", _CODE, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("owner", _CODE, nullable=False),
    Column("create_time", _TIME, nullable=False),
    UniqueConstraint("code", "currency"),
)

entries = Table(
    "entries",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_id", UUID, nullable=False, unique=True),
    Column("content_hash", LargeBinary, nullable=False),
    Column("cause_kind", SmallInteger, nullable=False),
    Column("cause_id", _CODE, nullable=False),
    Column("value_time", _TIME, nullable=False),
    Column("recorded_time", _TIME, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    CheckConstraint("sequence > 0", name="sequence"),
)
Index(None, entries.c.cause_kind, entries.c.cause_id, entries.c.sequence)

transfers = Table(
    "transfers",
    metadata,
    Column("sequence", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("debit_account_id", Integer, nullable=False),
    Column("credit_account_id", Integer, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("campaign", _CODE, nullable=False),
    Column("project", _CODE, nullable=False),
    Column("hour", _TIME),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("sequence", "position"),
    CheckConstraint("amount_micros > 0", name="amount"),
    CheckConstraint("debit_account_id <> credit_account_id", name="accounts"),
)
# An account's statement: its movements in order. Each account appends at its own place.
Index(None, transfers.c.debit_account_id, transfers.c.sequence)
Index(None, transfers.c.credit_account_id, transfers.c.sequence)

# Room in each page for the next version of its rows, so that updates touch no index.
_UPDATED_IN_PLACE = {"fillfactor": "60"}

balances = Table(
    "balances",
    metadata,
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    CheckConstraint("debits >= 0 AND credits >= 0", name="sums"),
    postgresql_with=_UPDATED_IN_PLACE,
)

totals = Table(
    "totals",
    metadata,
    Column("campaign", _CODE, nullable=False),
    Column("project", _CODE, nullable=False),
    Column("hour", _TIME, nullable=False),
    Column("partner", _CODE, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("currency", _CODE, nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("campaign", "project", "hour", "partner", "state", "currency"),
    postgresql_with=_UPDATED_IN_PLACE,
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("partner", _CODE, primary_key=True),
    Column("complete_until", _TIME, nullable=False),
)

# One row: where the chain ends. Its lock is the right to write, for whoever knows the term.
head = Table(
    "head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("recorded_time", _TIME),
    Column("term", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("id = 1", name="one_row"),
)

# One row: which process writes, and until when unless it says so again (store/lease.py).
lease = Table(
    "lease",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("holder", UUID),
    Column("until", _TIME, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
