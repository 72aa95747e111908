"""The tables of what finance allocates out of suspense. Rows are only ever added, but for sums."""

from sqlalchemy import (
    ARRAY,
    UUID,
    BigInteger,
    Boolean,
    Column,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.donations.models.base import ASCII, CURRENCY, TIME, metadata, seal_column

# Who wanted what to be allocated to which project (allocation/allocation.py has the content).
# project_id: 0 for back into suspense.
Table(
    "allocations",
    metadata,
    Column("request_id", UUID, primary_key=True),
    Column("caller", ASCII, nullable=False),
    Column("project_id", Integer, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("create_time", TIME, nullable=False),
    seal_column(),
)

# How far a request has come: one row a transaction. counts: gifts by outcome. sums: micros by
# currency. end_bucket, end_id: the bucket and the gift behind which the next step goes on.
Table(
    "allocation_steps",
    metadata,
    Column("request_id", UUID, nullable=False),
    Column("number", Integer, nullable=False),
    Column("counts", JSONB, nullable=False),
    Column("sums", JSONB, nullable=False),
    Column("outcomes", ARRAY(SmallInteger), nullable=False),
    Column("end_bucket", SmallInteger, nullable=False),
    Column("end_id", ASCII, nullable=False),
    Column("is_last", Boolean, nullable=False),
    Column("step_time", TIME, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("request_id", "number"),
)

# Where gifts in suspense have gone first; it grows with them. campaign_id: 0 for none.
Table(
    "allocated",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("project_id", Integer, nullable=False),
    Column("campaign_id", Integer, nullable=False),
    Column("request_id", UUID, nullable=False),
    Column("allocate_time", TIME, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id"),
)

# Further decisions about gifts that were allocated, numbered from 2; the last is in force.
# project_id: 0 for back into suspense. first_move: the first of the gift's moves that are
# booked by it; all before were by the decision before.
Table(
    "reallocated",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", ASCII, nullable=False),
    Column("number", Integer, nullable=False),
    Column("project_id", Integer, nullable=False),
    Column("campaign_id", Integer, nullable=False),
    Column("first_move", Integer, nullable=False),
    Column("request_id", UUID, nullable=False),
    Column("allocate_time", TIME, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id", "number"),
)

# What stands in suspense by kind, over all slots (store/suspense_sums.py). Rows may be below
# zero, and their sum may be more micros than a bigint holds.
Table(
    "suspense_sums",
    metadata,
    Column("partner_id", SmallInteger, nullable=False),
    Column("project", ASCII, nullable=False),
    Column("reason", SmallInteger, nullable=False),
    Column("currency", CURRENCY, nullable=False),
    Column("slot", SmallInteger, nullable=False),
    Column("gifts", BigInteger, nullable=False),
    Column("micros", Numeric, nullable=False),
    PrimaryKeyConstraint("partner_id", "project", "reason", "currency", "slot"),
    postgresql_with={"fillfactor": "50"},
)
