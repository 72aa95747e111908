"""The tables of what goes to the ledger, and how far partners' streams have come."""

from sqlalchemy import (
    UUID,
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.donations.models.base import ASCII, TIME, metadata

# One row a transaction that accepted something. digest: see gifts/batch.py. posted_sequence: the
# ledger's entry; NULL until it acknowledged it.
batches = Table(
    "batches",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("recorded_time", TIME, nullable=False),
    Column("gifts", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("posted_sequence", BigInteger),
    Column("digest_version", SmallInteger, nullable=False, server_default="1"),
)

# What the ledger has not acknowledged yet. problem: why it refused it last.
outbox = Table(
    "outbox",
    metadata,
    Column("batch_id", UUID, primary_key=True),
    Column("value_time", TIME, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("watermarks", JSONB, nullable=False),
    Column("retry_time", TIME, nullable=False),
    Column("problem", ASCII),
    postgresql_with={"fillfactor": "70"},
)

# What partners declare to be complete, until all that was recorded of them by then is posted
# (store/watermarks.py). transaction_id: of the transaction that heard of it, or the latest id of a
# batch that was there.
declared_watermarks = Table(
    "declared_watermarks",
    metadata,
    Column("partner", ASCII, primary_key=True),
    Column("transaction_id", UUID, primary_key=True),
    Column("complete_until", TIME, nullable=False),
)

# Until when each partner is known to be complete, as far as that was told; what is no later is no
# news.
watermarks = Table(
    "watermarks",
    metadata,
    Column("partner", ASCII, primary_key=True),
    Column("complete_until", TIME, nullable=False),
)

streams = Table(
    "streams",
    metadata,
    Column("partner_id", SmallInteger, nullable=False),
    Column("stream_id", ASCII, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("partner_id", "stream_id"),
    postgresql_with={"fillfactor": "50"},
)
