"""What all tables of intake share."""

from sqlalchemy import CHAR, TIMESTAMP, UUID, Column, MetaData, Text

from services.runtime.database import NAMING_CONVENTION

metadata = MetaData(naming_convention=NAMING_CONVENTION)

# Ids and codes are ASCII, and compare byte by byte, as Python does. Platforms' ids begin with the
# date; in this order new gifts come to the warm end of the index.
ASCII = Text(collation="C")
CURRENCY = CHAR(3, collation="C")
TIME = TIMESTAMP(timezone=True)


def seal_column() -> Column[object]:
    """Which seal (models/seals.py) a row is under."""
    return Column("seal_id", UUID)
