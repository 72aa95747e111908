"""Donors' sealed contacts, their tombstones, and who read them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from services.donations.donors.donor import DonorKey, Erased, Reading, Sealed, WrappedKey
from services.donations.store.sealing import sealing
from services.runtime import database
from services.runtime.errors import Fault, Reason

Kept = Sealed | Erased | None
"""What is kept of a donor; None if nothing ever was."""

Decide = Callable[[Kept], Sealed | None]
"""Given what is kept of a donor, says what is to be kept instead; None for no change."""

_KEY = "(bucket, partner_id, donor_token) = (:bucket, :partner_id, :token)"

_FIND = f"""
    SELECT key_id, wrapped_key, sealed, update_time, recorded_time, erase_time
    FROM donors WHERE {_KEY}"""  # noqa: S608  made of constants

_LOCK = text(f"{_FIND} FOR UPDATE")

_ADD = text(
    """
    INSERT INTO donors (bucket, partner_id, donor_token, key_id, wrapped_key, sealed, update_time,
                        recorded_time)
    VALUES (:bucket, :partner_id, :token, :key_id, :wrapped_key, :sealed, :update_time,
            :recorded_time)
    ON CONFLICT DO NOTHING RETURNING 1"""
)

_REPLACE = text(
    f"""
    UPDATE donors SET key_id = :key_id, wrapped_key = :wrapped_key, sealed = :sealed,
                      update_time = :update_time, recorded_time = :recorded_time
    WHERE {_KEY}"""  # noqa: S608  made of constants
)

# The row stays as a tombstone; of two erasures the first one stands.
_ERASE = text(
    sealing(
        "donors",
        """
    INSERT INTO donors AS d (bucket, partner_id, donor_token, erase_time, erased_by, seal_id)
    VALUES (:bucket, :partner_id, :token, :now, :by, :seal_id)
    ON CONFLICT (bucket, partner_id, donor_token) DO UPDATE
    SET key_id = NULL, wrapped_key = NULL, sealed = NULL, update_time = NULL, recorded_time = NULL,
        erase_time = excluded.erase_time, erased_by = excluded.erased_by, seal_id = excluded.seal_id
    WHERE d.erase_time IS NULL""",
        "erase_time",
        loose=True,
    )
)

_ERASED = text(f"SELECT erase_time FROM donors WHERE {_KEY}")  # noqa: S608  made of constants

# A retry of the same reading is the same row.
_READ = text(
    sealing(
        "donor_readings",
        """
    INSERT INTO donor_readings (bucket, partner_id, donor_token, request_id, reader, purpose,
                                case_reference, read_time, seal_id)
    VALUES (:bucket, :partner_id, :token, CAST(:request_id AS uuid), :reader, :purpose,
            :case_reference, :now, :seal_id)
    ON CONFLICT DO NOTHING""",
        loose=True,
    )
)

_READING = text(
    f"""
    SELECT reader, purpose, case_reference FROM donor_readings
    WHERE {_KEY} AND request_id = CAST(:request_id AS uuid)"""  # noqa: S608  made of constants
)

_KEY_ID_AFTER = text("SELECT min(key_id) FROM donors WHERE key_id > :key_id")

_WRAPPED_BY = text(
    """
    SELECT bucket, partner_id, donor_token, key_id, wrapped_key FROM donors
    WHERE key_id = :key_id AND (bucket, partner_id, donor_token) > (:bucket, :partner_id, :token)
    ORDER BY bucket, partner_id, donor_token LIMIT :limit"""
)

# Only where nobody sealed or erased in between.
_REWRAP = text(
    """
    UPDATE donors d SET key_id = n.key_id, wrapped_key = n.wrapped_key
    FROM unnest(CAST(:buckets AS smallint[]), CAST(:partner_ids AS smallint[]),
                CAST(:tokens AS bytea[]), CAST(:old AS bytea[]), CAST(:key_ids AS text[]),
                CAST(:new AS bytea[]))
      AS n(bucket, partner_id, donor_token, old, key_id, wrapped_key)
    WHERE (d.bucket, d.partner_id, d.donor_token) = (n.bucket, n.partner_id, n.donor_token)
      AND d.wrapped_key = n.old"""
)

_COUNT = text("SELECT count(*) FROM donors WHERE key_id = :key_id")


class DonorStore:
    """Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def put(self, donor: DonorKey, decide: Decide) -> None:
        """Keeps what is decided on what is kept, with nobody in between. Raises what decide raises.

        decide may be asked again, if another call wrote the donor's first row meanwhile.
        """
        async with database.transaction(self._engine) as connection:
            while True:
                kept = _kept(await _one(connection, _LOCK, donor))
                new = decide(kept)
                if new is None:
                    return
                values = {**_values(donor), **_columns(new)}
                if kept is not None:
                    await connection.execute(_REPLACE, values)
                    return
                if (await connection.execute(_ADD, values)).one_or_none() is not None:
                    return

    async def donor(self, donor: DonorKey) -> Kept:
        """What is kept of a donor; None if nothing ever was."""
        async with self._engine.connect() as connection:
            return _kept(await _one(connection, text(_FIND), donor))

    async def read(self, donor: DonorKey, reading: Reading, now: datetime) -> Kept:
        """As `donor`, and writes down who read it, if there is a contact to read.

        Raises Fault(FIELD_INVALID) if another reading of this donor has the request id: this one
        would be written down nowhere.
        """
        async with database.transaction(self._engine) as connection:
            kept = _kept(await _one(connection, text(_FIND), donor))
            if isinstance(kept, Sealed):
                values = {
                    **_values(donor),
                    "request_id": reading.request_id,
                    "reader": reading.reader,
                    "purpose": int(reading.purpose),
                    "case_reference": reading.case_reference,
                    "now": now,
                    "seal_id": uuid7(),
                }
                if (await connection.execute(_READ, values)).one_or_none() is None:
                    _require_same(reading, (await connection.execute(_READING, values)).one())
            return kept

    async def erase(self, donor: DonorKey, by: str, now: datetime) -> datetime:
        """Destroys the donor's key and what it sealed; returns when that happened first."""
        async with database.transaction(self._engine) as connection:
            values = {**_values(donor), "by": by, "now": now, "seal_id": uuid7()}
            erased: datetime | None = (await connection.execute(_ERASE, values)).scalar()
            if erased is None:
                before = await connection.execute(_ERASED, _values(donor))
                erased = before.scalar_one()
            return erased

    async def key_ids(self) -> list[str]:
        """The ids of all keys that wrap something, in their order."""
        found: list[str] = []
        async with self._engine.connect() as connection:
            last: str | None = ""
            while last is not None:
                last = (await connection.execute(_KEY_ID_AFTER, {"key_id": last})).scalar()
                if last is not None:
                    found.append(last)
        return found

    async def wrapped_by(
        self, key_id: str, after: DonorKey, limit: int
    ) -> list[tuple[DonorKey, WrappedKey]]:
        """A page of what a key wraps, behind a donor."""
        values = {**_values(after), "key_id": key_id, "limit": limit}
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_WRAPPED_BY, values)).all()
        return [(DonorKey(*row[:3]), WrappedKey(row.key_id, row.wrapped_key)) for row in rows]

    async def rewrap(self, changes: Sequence[tuple[DonorKey, WrappedKey, WrappedKey]]) -> int:
        """Puts new wrapped keys in the place of old ones; returns how many were still the old."""
        values = {
            "buckets": [donor.bucket for donor, _, _ in changes],
            "partner_ids": [donor.partner_id for donor, _, _ in changes],
            "tokens": [donor.token for donor, _, _ in changes],
            "old": [old.wrapped for _, old, _ in changes],
            "key_ids": [new.key_id for _, _, new in changes],
            "new": [new.wrapped for _, _, new in changes],
        }
        async with database.transaction(self._engine) as connection:
            return (await connection.execute(_REWRAP, values)).rowcount

    async def count_wrapped_by(self, key_id: str) -> int:
        """How many donors' keys a key wraps."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(_COUNT, {"key_id": key_id})).scalar_one())


async def _one(connection: AsyncConnection, query: Any, donor: DonorKey) -> Row[Any] | None:
    row: Row[Any] | None = (await connection.execute(query, _values(donor))).one_or_none()
    return row


def _require_same(reading: Reading, row: Row[Any]) -> None:
    if (reading.reader, reading.purpose, reading.case_reference) != tuple(row):
        raise Fault(
            Reason.FIELD_INVALID,
            "this request_id is that of another reading of this donor; make a new one for each",
            field="request_id",
        )


def _values(donor: DonorKey) -> dict[str, object]:
    return donor._asdict()


def _columns(kept: Sealed) -> dict[str, object]:
    return {
        "key_id": kept.key.key_id,
        "wrapped_key": kept.key.wrapped,
        "sealed": kept.content,
        "update_time": kept.update_time,
        "recorded_time": kept.recorded_time,
    }


def _kept(row: Row[Any] | None) -> Kept:
    if row is None:
        return None
    if row.erase_time is not None:
        return Erased(row.erase_time)
    key = WrappedKey(row.key_id, row.wrapped_key)
    return Sealed(key, row.sealed, row.update_time, row.recorded_time)
