"""The ledger's tables.

Accounts, entries, transfers, what is reserved, steps and late arrivals are only ever added to: the
service's role may do nothing else with them (migrations). Balances, totals and watermarks are
derived from them, and the audit derives them again. No foreign keys among them: only the writer
inserts, it keeps them whole under the head's lock, a check for each row would cost more than the
row, and the audit finds what does not fit.
"""

from sqlalchemy import (
    UUID,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
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
    text,
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
    Column("version", SmallInteger, nullable=False, server_default="1"),
    Column("value_date", Date),
    Column("book_date", Date),
    Column("reverses", BigInteger),
    CheckConstraint("sequence > 0", name="sequence"),
)
Index(None, entries.c.cause_kind, entries.c.cause_id, entries.c.sequence)


def _transfers(name: str) -> Table:
    return Table(
        name,
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


# What moves money, and nothing else: a balance is their sum.
transfers = _transfers("transfers")
# An account's statement: its movements in order. Each account appends at its own place.
Index(None, transfers.c.debit_account_id, transfers.c.sequence)
Index(None, transfers.c.credit_account_id, transfers.c.sequence)

# The transfers that only reserve money, or free it.
reserved = _transfers("reserved")
Index(None, reserved.c.debit_account_id, reserved.c.sequence)
Index(None, reserved.c.credit_account_id, reserved.c.sequence)

# What makes a transfer, of either table, more than a plain movement: a row for those alone.
steps = Table(
    "steps",
    metadata,
    Column("sequence", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("of_sequence", BigInteger),
    Column("of_position", Integer),
    Column("expire_time", _TIME),
    PrimaryKeyConstraint("sequence", "position"),
)
Index(None, steps.c.of_sequence, steps.c.of_position)
Index("steps_expire_time_idx", steps.c.expire_time, postgresql_where=text("kind = 1"))
# A hold ends once: 2 commits it, 3 voids it, 4 is its expiry.
Index(
    "steps_end_key",
    steps.c.of_sequence,
    steps.c.of_position,
    unique=True,
    postgresql_where=text("kind IN (2, 3, 4)"),
)

# Movements of gifts that came after the period of their value date was closed.
late_arrivals = Table(
    "late_arrivals",
    metadata,
    Column("sequence", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("value_date", Date, nullable=False),
    PrimaryKeyConstraint("sequence", "position"),
)
Index(None, late_arrivals.c.value_date, late_arrivals.c.sequence)

# Room in each page for the next version of its rows, so that updates touch no index.
_UPDATED_IN_PLACE = {"fillfactor": "60"}

balances = Table(
    "balances",
    metadata,
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    # What open holds reserve, and what entries say of the account's state and limit: no state is
    # open, no limit is the chart's.
    Column("held_debits", BigInteger, nullable=False, server_default="0"),
    Column("held_credits", BigInteger, nullable=False, server_default="0"),
    Column("state", SmallInteger),
    Column("account_limit", SmallInteger),
    CheckConstraint("debits >= 0 AND credits >= 0", name="sums"),
    CheckConstraint("held_debits >= 0 AND held_credits >= 0", name="held"),
    postgresql_with=_UPDATED_IN_PLACE,
)


def _totals(name: str) -> Table:
    return Table(
        name,
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


# Charity's, and, where the project is empty, what is not yet attributed. Personal appeals' are
# apart: no query of the one can add up the other.
totals = _totals("totals")
appeal_totals = _totals("appeal_totals")

watermarks = Table(
    "watermarks",
    metadata,
    Column("partner", _CODE, primary_key=True),
    Column("complete_until", _TIME, nullable=False),
)

# Sums over stretches of entries, first_sequence to last_sequence, which follow one another. Two
# ledgers that make one at the same moment may not begin both at one entry.
rollups = Table(
    "rollups",
    metadata,
    Column("last_sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("first_sequence", BigInteger, nullable=False, unique=True),
)
daily_turnovers = Table(
    "daily_turnovers",
    metadata,
    Column("account_id", Integer, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("value_date", Date, nullable=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "last_sequence", "value_date"),
)

# The log, only ever added to: signed tree heads, the nodes of every eighth level, the public keys.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    CheckConstraint("size > 0", name="size"),
)

tree_nodes = Table(
    "tree_nodes",
    metadata,
    Column("level", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "position"),
)

log_keys = Table("log_keys", metadata, Column("verifier_key", _CODE, primary_key=True))

# One row: where the chain ends. Its lock is the right to write, for whoever knows the term.
head = Table(
    "head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("recorded_time", _TIME),
    Column("term", BigInteger, nullable=False, server_default="0"),
    # No open hold expires before this; the last entry that changed a period's state.
    Column("next_expiry", _TIME),
    Column("periods_sequence", BigInteger, nullable=False, server_default="0"),
    # Somebody was told how the books stood then: nothing is recorded as of that or before.
    Column("asked_time", _TIME),
    # The totals do not count the entries behind the one, up to the other, yet (journal/tally.py).
    Column("uncounted_after", BigInteger, nullable=False, server_default="0"),
    Column("uncounted_through", BigInteger, nullable=False, server_default="0"),
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
