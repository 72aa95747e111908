"""The tables of notices that could not be verified or read."""

from sqlalchemy import (
    ARRAY,
    UUID,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.donations.models.base import ASCII, TIME, metadata, seal_column

# Notices that could not be verified or read, whole. digest: of all of it, so that a repeat of the
# same bytes is kept once.
quarantine = Table(
    "quarantine",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("platform", ASCII, nullable=False),
    Column("reason", ASCII, nullable=False),
    Column("message", Text, nullable=False),
    Column("received_time", TIME, nullable=False),
    Column("http_method", Text, nullable=False),
    Column("query", LargeBinary, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    seal_column(),
)
Index(None, quarantine.c.platform, quarantine.c.received_time)
Index(None, quarantine.c.received_time)

# What reading a notice again came to. reason: why it was refused again; NULL if it was taken in.
quarantine_replays = Table(
    "quarantine_replays",
    metadata,
    Column("digest", LargeBinary, nullable=False),
    Column("request_id", UUID, nullable=False),
    Column("caller", ASCII, nullable=False),
    Column("replay_time", TIME, nullable=False),
    Column("outcomes", ARRAY(SmallInteger), nullable=False),
    Column("reason", ASCII),
    Column("message", Text, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("digest", "request_id"),
)
