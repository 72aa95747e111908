"""The tables that prove other tables: what a transaction recorded besides gifts, as digests.

Rows name their seal (`seal_id`); those of a release before seals have none. Gifts have no seal of
their own, as their batch's digest is taken over them.
"""

from sqlalchemy import UUID, Column, Index, Integer, LargeBinary, SmallInteger, Table, Text

from services.donations.models.base import metadata, seal_column

# What one transaction recorded of one set (store/sealing.py): how many rows, and their digest.
# id: the transaction's; its batch's where it made one.
Table(
    "seals",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("rows", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)

# Seals of transactions that made no batch: by which batch's digest they reach the ledger, and
# those that still wait for one.
carried = Table(
    "carried_seals",
    metadata,
    Column("seal_id", UUID, primary_key=True),
    Column("batch_id", UUID, nullable=False),
)
Index(None, carried.c.batch_id)

Table("loose_seals", metadata, Column("seal_id", UUID, primary_key=True))

# Who said so; nobody is known of what the release before kept.
Table(
    "closure_decisions",
    metadata,
    Column("closure_id", Integer, primary_key=True, autoincrement=False),
    Column("caller", Text(collation="C"), nullable=False),
    Column("request_id", UUID, nullable=False),
    seal_column(),
)
