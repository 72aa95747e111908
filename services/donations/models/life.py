"""The tables of what happens to gifts. All grow with it, and their keys lead with `bucket`."""

from sqlalchemy import (
    UUID,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)

from services.donations.models.base import ASCII, CURRENCY, TIME, metadata, seal_column

# What partners report of disputes, each status of each dispute once.
Table(
    "disputes",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("dispute_id", ASCII, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("currency", CURRENCY, nullable=False),
    Column("event_time", TIME, nullable=False),
    Column("recorded_time", TIME, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id", "dispute_id", "status"),
)

# What finance reports of gifts' way to the charity.
Table(
    "stages",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("event_id", ASCII, nullable=False),
    Column("stage", SmallInteger, nullable=False),
    Column("event_time", TIME, nullable=False),
    Column("recorded_time", TIME, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id", "event_id"),
)

# By the origin's report the rail's report that tells of the same gift. Several origins may
# claim one rail's report; the least has it.
links = Table(
    "links",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("rail_bucket", SmallInteger, nullable=False),
    Column("rail_partner_id", SmallInteger, nullable=False),
    Column("rail_external_id", ASCII, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id"),
)
Index("links_rail_idx", links.c.rail_bucket, links.c.rail_partner_id, links.c.rail_external_id)

# What is booked of gifts besides their own rows, numbered within the gift from 1.
moves = Table(
    "moves",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("gift_count", SmallInteger, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("batch_id", UUID, nullable=False),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id", "number"),
)
Index(
    None,
    moves.c.batch_id,
    postgresql_using="brin",
    postgresql_with={"autosummarize": "on"},
)

# What a gift's moves have led to; its lock is the right to book more. moves: how many there
# are. joined: another report counts: that of the company which made the gift, or that of the
# rail which tells of another sum.
Table(
    "positions",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("moves", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("refunded_micros", BigInteger, nullable=False),
    Column("joined", Boolean, nullable=False),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id"),
    postgresql_with={"fillfactor": "70"},
)

# Reports of ids under which no gift is recorded yet. batch_id: of the transaction that noted
# it.
Table(
    "waiting",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("batch_id", UUID, nullable=False),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id", "batch_id"),
)
