"""The tables of the catalog, and the partners. Small ones; rows are kept for ever."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from services.donations.models.base import ASCII, TIME, metadata, seal_column

partners = Table(
    "partners",
    metadata,
    Column("id", SmallInteger, Identity(always=False), primary_key=True),
    Column("code", ASCII, nullable=False, unique=True),
    seal_column(),
)

charities = Table(
    "charities",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("code", ASCII, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("credit_code", ASCII, nullable=False),
    Column("create_time", TIME, nullable=False),
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
    Column("create_time", TIME, nullable=False),
    seal_column(),
    UniqueConstraint("charity_id", "number", "valid_from"),
    CheckConstraint("valid_from <= valid_until", name="days"),
)

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("code", ASCII, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("charity_id", Integer, ForeignKey("charities.id")),
    Column("close_time", TIME),
    Column("create_time", TIME, nullable=False),
    Column("purpose", SmallInteger, nullable=False, server_default="1"),
    Column("organiser", ASCII, nullable=False, server_default=""),
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
    Column("code", ASCII, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
    Column("time_zone", ASCII, nullable=False),
    Column("create_time", TIME, nullable=False),
    seal_column(),
)

# When a project is said to close, each time that it is said; the last one stands in projects.
Table(
    "project_closures",
    metadata,
    Column("id", Integer, Identity(always=False), primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("close_time", TIME, nullable=False),
    Column("create_time", TIME, nullable=False),
    seal_column(),
)
