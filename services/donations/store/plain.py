"""New gifts, their batch and its outbox row in one statement that is a transaction of its own.

What few gifts take otherwise, six round trips, costs more than all else that is done for them.
"""

from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from psycopg import adapters, postgres
from psycopg.adapt import Dumper
from psycopg.errors import FeatureNotSupported, UniqueViolation
from psycopg.pq import Format

from services.donations.gifts.batch import Batch
from services.donations.gifts.rows import GiftRows
from services.donations.store import batches
from services.donations.store.gift_format import FIELDS, table_of
from services.donations.store.gifts import RepeatFound
from services.donations.store.lane import Lane

_TYPES = ("int2", "int2", "text", "int8", "text", "int4", "int4", "timestamptz", "bytea")
"""Of FIELDS."""

_ELEMENTS = [postgres.types[name].oid for name in _TYPES]
_FIELDS = ", ".join(FIELDS)
_ROWS = f"unnest({', '.join(f'%s::{name}[]' for name in _TYPES)}) AS k({_FIELDS})"

_INSERT = f"""
    WITH gifts AS (
        INSERT INTO donations ({_FIELDS}, batch_id) SELECT k.*, %s::uuid FROM {_ROWS}
    ), batch AS ({batches.INSERT} RETURNING id, recorded_time)
    {batches.INSERT_OUTBOX}""".encode()  # noqa: S608  made of constants

# The planner sees nothing of the arrays: each row is looked up by the index.
_INSERT_UNNAMED = f"""
    WITH k AS MATERIALIZED (SELECT k.*, %s::uuid FROM {_ROWS}),
    named AS MATERIALIZED (
        SELECT FROM k JOIN links l ON (l.rail_bucket, l.rail_partner_id, l.rail_external_id)
                                    = (k.bucket, k.partner_id, k.external_id)
        LIMIT 1
    ), gifts AS (
        INSERT INTO donations ({_FIELDS}, batch_id)
        SELECT * FROM k WHERE NOT EXISTS (SELECT FROM named)
    ), batch AS (
        {batches.INSERT} WHERE NOT EXISTS (SELECT FROM named) RETURNING id, recorded_time
    )
    {batches.INSERT_OUTBOX}""".encode()  # noqa: S608


class PlainRefused(Exception):
    """The database cannot do it in one statement, as one that is spread over machines may not."""


class PlainGifts:
    """Gifts that are all new and in no suspense, on their way into the database.

    digest: of the gifts (gift_format.py).
    """

    def __init__(self, rows: GiftRows, batch_id: UUID) -> None:
        """batch_id: of the batch that they are recorded with."""
        self._table = table_of(rows, batch_id)
        self.digest = sha256(self._table.rows()).digest()

    async def insert(self, lane: Lane, batch: Batch, *, may_be_named: bool) -> bool:
        """Inserts them and their batch, and returns True when they are durable.

        may_be_named: some are rails' reports. If another gift names one of those, nothing is
        inserted, and it returns False. Nor is it where this raises RepeatFound, as a gift is
        recorded already, or PlainRefused. Raises as Lane.execute.
        """
        statement = _INSERT_UNNAMED if may_be_named else _INSERT
        columns = [
            _Array(self._table.array(number, element)) for number, element in enumerate(_ELEMENTS)
        ]
        try:
            rows = await lane.execute(statement, [batch.id, *columns, *batches.values_of(batch)])
        except UniqueViolation as error:
            raise RepeatFound from error
        except FeatureNotSupported as error:
            raise PlainRefused from error
        return rows == 1


class _Array(NamedTuple):
    """An array in its binary form, whose type the statement says."""

    data: bytes


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: _Array) -> bytes:
        return obj.data


adapters.register_dumper(_Array, _ArrayDumper)
