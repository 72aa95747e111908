"""The tables of donors' contacts. They grow with the donors, and their keys lead with `bucket`."""

from sqlalchemy import (
    UUID,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)

from services.donations.models.base import ASCII, TIME, metadata, seal_column

# Contacts that partners sent, sealed; or when they were erased. donor_token as in donations.
donors = Table(
    "donors",
    metadata,
    Column("bucket", SmallInteger, nullable=False),
    Column("partner_id", SmallInteger, nullable=False),
    Column("donor_token", LargeBinary, nullable=False),
    Column("key_id", ASCII),
    Column("wrapped_key", LargeBinary),
    Column("sealed", LargeBinary),
    Column("update_time", TIME),
    Column("recorded_time", TIME),
    Column("erase_time", TIME),
    Column("erased_by", ASCII),
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
    Column("reader", ASCII, nullable=False),
    Column("purpose", SmallInteger, nullable=False),
    Column("case_reference", ASCII, nullable=False),
    Column("read_time", TIME, nullable=False),
    seal_column(),
    PrimaryKeyConstraint("bucket", "partner_id", "donor_token", "request_id"),
)
