"""The tables of gifts, and of what partners say of them.

All grow with them, and their keys lead with `bucket`.
"""

from sqlalchemy import (
    UUID,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.donations.models.base import ASCII, CURRENCY, TIME, metadata, seal_column

# One row a gift, for ever. Columns stand in the order that wastes no byte on alignment.
# project_id, campaign_id: 0 for none; in suspense both are 0 and `suspended` has what was reported.
# donor_token: empty if the donor is unknown (a NULL would cost every row a bitmap).
donations = Table(
    "donations",
    metadata,
    Column("amount_micros", BigInteger, nullable=False),
    Column("event_time", TIME, nullable=False),
    Column("project_id", Integer, nullable=False),
    Column("campaign_id", Integer, nullable=False),
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("batch_id", UUID, nullable=False),
    Column("currency", CURRENCY, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("donor_token", LargeBinary, nullable=False),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id"),
)
# A batch's rows lie together on disk, so a range index of a few pages finds them.
Index(
    None,
    donations.c.batch_id,
    postgresql_using="brin",
    postgresql_with={"autosummarize": "on"},
)

suspended = Table(
    "suspended",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("reason", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("project", ASCII, nullable=False),
    Column("campaign", ASCII, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id"),
)

# batch_id: NULL until it is booked. position: no longer written.
refunds = Table(
    "refunds",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("refund_id", ASCII, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("currency", CURRENCY, nullable=False),
    Column("cumulative", Boolean, nullable=False),
    Column("event_time", TIME, nullable=False),
    Column("recorded_time", TIME, nullable=False),
    Column("batch_id", UUID),
    Column("position", Integer),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id", "refund_id"),
)
Index(
    "refunds_waiting_idx",
    refunds.c.bucket,
    refunds.c.partner_id,
    refunds.c.external_id,
    postgresql_where=refunds.c.batch_id.is_(None),
)
Index(None, refunds.c.batch_id, postgresql_where=refunds.c.batch_id.is_not(None))

# Of the release before; no longer read or written.
refund_totals = Table(
    "refund_totals",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("single_micros", BigInteger, nullable=False),
    Column("running_micros", BigInteger, nullable=False),
    Column("booked", Integer, nullable=False),
    Column("batch_id", UUID),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id"),
)

# What contradicts what is recorded. refund_id: of the refund, dispute or stage that it is about;
# empty where it is about a gift.
conflicts = Table(
    "conflicts",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("refund_id", ASCII, nullable=False),
    Column("claim_hash", LargeBinary, nullable=False),
    Column("reason", ASCII, nullable=False),
    Column("claim", JSONB, nullable=False),
    Column("received_time", TIME, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id", "refund_id", "claim_hash"),
)
Index(None, conflicts.c.received_time)
Index(None, conflicts.c.partner_id, conflicts.c.received_time)
