"""Intake's tables.

Gifts are only ever added: the service's role may do nothing else with them (migrations). Tables
that grow with the gifts lead their key with `bucket`, so that one database or many may hold them
(docs/architecture.md); they have no foreign keys and no checks, because each would cost more than
the row, and the audit adds up the rows again.
"""

from sqlalchemy import (
    ARRAY,
    CHAR,
    TIMESTAMP,
    UUID,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
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

from services.donations.models_allocation import declare_allocation
from services.donations.models_life import declare_life
from services.donations.models_pledges import declare_pledges
from services.donations.models_seals import declare_seals, seal_column
from services.runtime.database import NAMING_CONVENTION

metadata = MetaData(naming_convention=NAMING_CONVENTION)
declare_life(metadata)
declare_pledges(metadata)
declare_allocation(metadata)
declare_seals(metadata)

# Ids and codes are ASCII, and compare byte by byte, as Python does. Platforms' ids begin with the
# date; in this order new gifts come to the warm end of the index.
_ASCII = Text(collation="C")
_CURRENCY = CHAR(3, collation="C")
_TIME = TIMESTAMP(timezone=True)

partners = Table(
    "partners",
    metadata,
    Column("id", SmallInteger, Identity(always=False), primary_key=True),
    Column("code", _ASCII, nullable=False, unique=True),
    seal_column(),
)

charities = Table(
    "charities",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("code", _ASCII, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("credit_code", _ASCII, nullable=False),
    Column("create_time", _TIME, nullable=False),
    seal_column(),
)

# Of a charity's qualification; the days are China's, both included. Only ever added.
certificates = Table(
    "certificates",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("charity_id", Integer, ForeignKey("charities.id"), nullable=False),
    Column("number", Text, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, nullable=False),
    Column("create_time", _TIME, nullable=False),
    seal_column(),
    UniqueConstraint("charity_id", "number", "valid_from"),
    CheckConstraint("valid_from <= valid_until", name="days"),
)

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("code", _ASCII, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("charity_id", Integer, ForeignKey("charities.id")),
    Column("close_time", _TIME),
    Column("create_time", _TIME, nullable=False),
    Column("purpose", SmallInteger, nullable=False, server_default="1"),
    Column("organiser", _ASCII, nullable=False, server_default=""),
    seal_column(),
    CheckConstraint(
        "CASE purpose WHEN 1 THEN charity_id IS NOT NULL AND organiser = ''"
        " WHEN 2 THEN charity_id IS NULL AND organiser <> '' ELSE false END",
        name="purpose",
    ),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("code", _ASCII, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("start_time", _TIME, nullable=False),
    Column("end_time", _TIME, nullable=False),
    Column("time_zone", _ASCII, nullable=False),
    Column("create_time", _TIME, nullable=False),
    seal_column(),
)

# One row a gift, for ever. Columns stand in the order that wastes no byte on alignment.
# project_id, campaign_id: 0 for none; in suspense both are 0 and `suspended` has what was reported.
# donor_token: empty if the donor is unknown (a NULL would cost every row a bitmap).
donations = Table(
    "donations",
    metadata,
    Column("amount_micros", BigInteger, nullable=False),
    Column("event_time", _TIME, nullable=False),
    Column("project_id", Integer, nullable=False),
    Column("campaign_id", Integer, nullable=False),
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("batch_id", UUID, nullable=False),
    Column("currency", _CURRENCY, nullable=False),
    Column("external_id", _ASCII, nullable=False),
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
    Column("external_id", _ASCII, nullable=False),
    Column("project", _ASCII, nullable=False),
    Column("campaign", _ASCII, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id"),
)

# batch_id: NULL until it is booked. position: no longer written.
refunds = Table(
    "refunds",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("external_id", _ASCII, nullable=False),
    Column("refund_id", _ASCII, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("currency", _CURRENCY, nullable=False),
    Column("cumulative", Boolean, nullable=False),
    Column("event_time", _TIME, nullable=False),
    Column("recorded_time", _TIME, nullable=False),
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
    Column("external_id", _ASCII, nullable=False),
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
    Column("external_id", _ASCII, nullable=False),
    Column("refund_id", _ASCII, nullable=False),
    Column("claim_hash", LargeBinary, nullable=False),
    Column("reason", _ASCII, nullable=False),
    Column("claim", JSONB, nullable=False),
    Column("received_time", _TIME, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "external_id", "refund_id", "claim_hash"),
)
Index(None, conflicts.c.received_time)
Index(None, conflicts.c.partner_id, conflicts.c.received_time)

# One row a transaction that accepted something. digest: see gifts/batch.py. posted_sequence: the
# ledger's entry; NULL until it acknowledged it.
batches = Table(
    "batches",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("recorded_time", _TIME, nullable=False),
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
    Column("value_time", _TIME, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("watermarks", JSONB, nullable=False),
    Column("retry_time", _TIME, nullable=False),
    Column("problem", _ASCII),
    postgresql_with={"fillfactor": "70"},
)

# What partners declare to be complete, until all that was recorded of them by then is posted
# (store/watermarks.py). transaction_id: of the transaction that heard of it, or the latest id of a
# batch that was there.
declared_watermarks = Table(
    "declared_watermarks",
    metadata,
    Column("partner", _ASCII, primary_key=True),
    Column("transaction_id", UUID, primary_key=True),
    Column("complete_until", _TIME, nullable=False),
)

# Until when each partner is known to be complete, as far as that was told; what is no later is no
# news.
watermarks = Table(
    "watermarks",
    metadata,
    Column("partner", _ASCII, primary_key=True),
    Column("complete_until", _TIME, nullable=False),
)

streams = Table(
    "streams",
    metadata,
    Column("partner_id", SmallInteger, nullable=False),
    Column("stream_id", _ASCII, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("partner_id", "stream_id"),
    postgresql_with={"fillfactor": "50"},
)

# Notices that could not be verified or read, whole. digest: of all of it, so that a repeat of the
# same bytes is kept once.
quarantine = Table(
    "quarantine",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("platform", _ASCII, nullable=False),
    Column("reason", _ASCII, nullable=False),
    Column("message", Text, nullable=False),
    Column("received_time", _TIME, nullable=False),
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
    Column("caller", _ASCII, nullable=False),
    Column("replay_time", _TIME, nullable=False),
    Column("outcomes", ARRAY(SmallInteger), nullable=False),
    Column("reason", _ASCII),
    Column("message", Text, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("digest", "request_id"),
)

# Contacts that partners sent, sealed; or when they were erased. donor_token as in donations.
donors = Table(
    "donors",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("donor_token", LargeBinary, nullable=False),
    Column("key_id", _ASCII),
    Column("wrapped_key", LargeBinary),
    Column("sealed", LargeBinary),
    Column("update_time", _TIME),
    Column("recorded_time", _TIME),
    Column("erase_time", _TIME),
    Column("erased_by", _ASCII),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "donor_token"),
    # Rare rows, which carry a promise: what is erased holds nothing. All five, or none.
    CheckConstraint(
        "num_nulls(key_id, wrapped_key, sealed, update_time, recorded_time)"
        " = CASE WHEN erase_time IS NULL THEN 0 ELSE 5 END",
        name="sealed_or_erased",
    ),
)
Index(
    "donors_key_id_idx",
    donors.c.key_id,
    donors.c.bucket,
    donors.c.partner_id,
    donors.c.donor_token,
    postgresql_where=donors.c.key_id.is_not(None),
)

# Who of finance read a contact, and why.
donor_readings = Table(
    "donor_readings",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("donor_token", LargeBinary, nullable=False),
    Column("request_id", UUID, nullable=False),
    Column("reader", _ASCII, nullable=False),
    Column("purpose", SmallInteger, nullable=False),
    Column("case_reference", _ASCII, nullable=False),
    Column("read_time", _TIME, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "donor_token", "request_id"),
)
