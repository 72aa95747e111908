"""The tables of per-order giving. Orders grow with the gifts, and lead their key with `bucket`."""

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.donations.models.base import ASCII, CURRENCY, TIME, metadata, seal_column

# Versions of merchants' pledges; they grow with the merchants. rate_ppm, fixed_micros: one is
# 0. shares: [project's code, weight] of each.
Table(
    "pledges",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("partner_id", SmallInteger, nullable=False),
    Column("code", ASCII, nullable=False),
    Column("version", Integer, nullable=False),
    Column("rate_ppm", Integer, nullable=False),
    Column("fixed_micros", BigInteger, nullable=False),
    Column("currency", CURRENCY, nullable=False),
    Column("shares", JSONB, nullable=False),
    Column("campaign", ASCII, nullable=False),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME),
    Column("unit_micros", Integer, nullable=False),
    Column("merchant_token", LargeBinary, nullable=False),
    Column("create_time", TIME, nullable=False),
    seal_column(),
    UniqueConstraint("partner_id", "code", "version"),
)

Table(
    "pledge_ends",
    metadata,
    Column("pledge_id", Integer, primary_key=True, autoincrement=False),
    Column("end_time", TIME, nullable=False),
    Column("create_time", TIME, nullable=False),
    seal_column(),
)

# One row an order, for ever: who took part, and what was paid and given. A gift of remainders
# is a row for which nothing was paid. participant_token: empty if the shopper is unknown.
orders = Table(
    "pledged_orders",
    metadata,
    Column("paid_micros", BigInteger, nullable=False),
    Column("given_micros", BigInteger, nullable=False),
    Column("event_time", TIME, nullable=False),
    Column("pledge_id", Integer, nullable=False),
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("order_id", ASCII, nullable=False),
    Column("participant_token", LargeBinary, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "order_id"),
)
# Of the release before; no longer read.
Index(None, orders.c.pledge_id)

# What the orders of each pledge add up to, over all slots (store/pledge_sums.py). Sums of
# micros may be more than a bigint holds.
Table(
    "pledge_sums",
    metadata,
    Column("pledge_id", Integer, nullable=False),
    Column("slot", SmallInteger, nullable=False),
    Column("orders", BigInteger, nullable=False),
    Column("paid_micros", Numeric, nullable=False),
    Column("basis_micros", Numeric, nullable=False),
    Column("given_micros", Numeric, nullable=False),
    Column("remainders", BigInteger, nullable=False),
    Column("latest_time", TIME, nullable=False),
    PrimaryKeyConstraint("pledge_id", "slot"),
    postgresql_with={"fillfactor": "50"},
)
