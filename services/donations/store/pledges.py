"""Pledges become rows, versions of a code one after the other, and are never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from services.donations.domain import micros_of, moment_of
from services.donations.models import metadata
from services.donations.pledges.pledge import OrderSums, Pledge, Share
from services.donations.store import pledge_sums
from services.donations.store.sealing import sealed_insert
from services.runtime import database

_pledges = metadata.tables["pledges"]
_pledge_ends = metadata.tables["pledge_ends"]

_PLEDGES = select(_pledges, _pledge_ends.c.end_time.label("ended_time")).join(
    _pledge_ends, _pledge_ends.c.pledge_id == _pledges.c.id, isouter=True
)
_BY_VERSION = (_pledges.c.code, _pledges.c.version)


class PledgeStore:
    """Every method raises the database's errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def versions(
        self, partner: str, partner_id: int, codes: Sequence[str]
    ) -> dict[str, list[Pledge]]:
        """All versions of each of these codes that is known, by start."""
        query = _PLEDGES.where(
            _pledges.c.partner_id == partner_id, _pledges.c.code == func.any(codes)
        ).order_by(*_BY_VERSION)
        found: dict[str, list[Pledge]] = {}
        async with self._engine.connect() as connection:
            for row in await connection.execute(query):
                found.setdefault(row.code, []).append(pledge_of(partner, row))
        return found

    async def add(self, partner_id: int, made: Sequence[Pledge], now: datetime) -> set[str]:
        """Keeps new versions, each of another code; returns the codes of those that are kept.

        The others' versions were made by another call meanwhile.
        """
        # In the order of the key, so that two calls with the same codes wait in one direction.
        rows = sorted((_values(pledge, partner_id, now) for pledge in made), key=_code)
        seal = {"seal_id": uuid7()}
        statement = insert(_pledges).values([row | seal for row in rows]).on_conflict_do_nothing()
        async with database.transaction(self._engine) as connection:
            return set((await connection.execute(sealed_insert(statement, "code"))).scalars())

    async def end(self, pledge: Pledge, end_micros: int, now: datetime) -> int:
        """Gives a pledge its end unless it has one; returns the end that stands."""
        values = {
            "pledge_id": pledge.id,
            "end_time": moment_of(end_micros),
            "create_time": now,
            "seal_id": uuid7(),
        }
        ended = insert(_pledge_ends).values(**values).on_conflict_do_nothing()
        async with database.transaction(self._engine) as connection:
            await connection.execute(sealed_insert(ended, "pledge_id"))
            found = await connection.execute(
                select(_pledge_ends.c.end_time).where(_pledge_ends.c.pledge_id == pledge.id)
            )
            return micros_of(found.scalar_one())

    async def page(
        self, partner: str, partner_id: int, after: tuple[str, int], limit: int
    ) -> list[Pledge]:
        """A partner's pledges by code and version, after a position."""
        code, version = after
        key = text("(pledges.code, pledges.version) > (:code, :version)")
        query = (
            _PLEDGES.where(_pledges.c.partner_id == partner_id, key)
            .order_by(*_BY_VERSION)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            found = await connection.execute(query, {"code": code, "version": version})
            return [pledge_of(partner, row) for row in found]

    async def by_id(self, partner: str, pledge_id: int) -> Pledge:
        """The pledge that a recorded order was evaluated by."""
        async with self._engine.connect() as connection:
            found = await connection.execute(_PLEDGES.where(_pledges.c.id == pledge_id))
            return pledge_of(partner, found.one())

    async def sums(self, pledge: Pledge) -> OrderSums:
        """What a pledge's orders add up to, all seen at one moment."""
        async with self._engine.connect() as connection:
            return await pledge_sums.sums(connection, pledge.id)


def _code(values: Mapping[str, Any]) -> str:
    return str(values["code"])


def _values(pledge: Pledge, partner_id: int, now: datetime) -> dict[str, Any]:
    return {
        "partner_id": partner_id,
        "code": pledge.code,
        "version": pledge.version,
        "rate_ppm": pledge.rate_ppm,
        "fixed_micros": pledge.fixed_micros,
        "currency": pledge.currency,
        "shares": [list(share) for share in pledge.shares],
        "campaign": pledge.campaign,
        "start_time": moment_of(pledge.start_micros),
        "end_time": None if pledge.end_micros is None else moment_of(pledge.end_micros),
        "unit_micros": pledge.unit_micros,
        "merchant_token": pledge.merchant_token,
        "create_time": now,
    }


def pledge_of(partner: str, row: Row[Any]) -> Pledge:
    """A row of pledges beside the later end of it."""
    return Pledge(
        partner,
        row.code,
        row.version,
        row.rate_ppm,
        row.fixed_micros,
        row.currency,
        tuple(Share(project, weight) for project, weight in row.shares),
        row.campaign,
        micros_of(row.start_time),
        micros_of(row.end_time) if row.end_time else None,
        row.unit_micros,
        bytes(row.merchant_token),
        micros_of(row.ended_time) if row.ended_time else None,
        row.id,
    )
