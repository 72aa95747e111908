"""Charities, projects, campaigns and partners."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Table, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from services.donations.catalog.certificates import Certificate, is_new, qualified
from services.donations.catalog.closures import Decider
from services.donations.catalog.memory import (
    Campaign,
    Charity,
    Extent,
    KnownCampaign,
    KnownProject,
    Project,
    Snapshot,
)
from services.donations.catalog.rules import is_to_close
from services.donations.domain import Purpose
from services.donations.models.catalog import (
    campaigns,
    certificates,
    charities,
    partners,
    projects,
)
from services.donations.store import closures
from services.donations.store.driver import Driver
from services.donations.store.sealing import sealed_insert
from services.runtime import database
from services.runtime.errors import Fault, Reason

# "cert" as a number: who adds a charity's certificates waits for whoever else does.
_CERTIFYING = 0x63657274

_PROJECTS = select(projects, func.coalesce(charities.c.code, "").label("charity")).outerjoin(
    charities, charities.c.id == projects.c.charity_id
)

_EXTENT = """
    SELECT (SELECT count(*) FROM projects), (SELECT count(*) FROM campaigns),
           (SELECT count(*) FROM certificates), (SELECT count(*) FROM project_closures)"""

_PROJECTS_AND_CREDIT_CODES = select(projects, charities.c.credit_code).outerjoin(
    charities, charities.c.id == projects.c.charity_id
)


async def extent(driver: Driver) -> Extent:
    """How much the catalog holds now, in a lane's transaction."""
    row = await (await driver.execute(_EXTENT)).fetchone()
    assert row is not None, "it is one row"
    return Extent(*row)


class CatalogStore:
    """Every method raises the database's errors besides those it names.

    Creating: the same resource again is the same; Fault(CODE_TAKEN) if the code has other content.
    Listing: by code, after a code.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def snapshot(self) -> Snapshot:
        """All that gifts are looked up in, at one moment."""
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            known_partners = await connection.execute(select(partners.c.code, partners.c.id))
            known_projects = await connection.execute(_PROJECTS_AND_CREDIT_CODES)
            held = await _certificates(connection)
            known_campaigns = await connection.execute(select(campaigns))
            return Snapshot(
                {row.code: row.id for row in known_partners},
                {
                    row.code: KnownProject(
                        row.id,
                        Purpose(row.purpose),
                        row.close_time,
                        qualified(row.credit_code or "", held.get(row.charity_id, ())),
                    )
                    for row in known_projects
                },
                {
                    row.code: KnownCampaign(row.id, row.start_time, row.end_time)
                    for row in known_campaigns
                },
                Extent(*(await connection.execute(text(_EXTENT))).one()),
            )

    async def add_partner(self, code: str) -> int:
        """The partner's id, made on first use."""
        async with database.transaction(self._engine) as connection:
            made = insert(partners).values(code=code, seal_id=uuid7()).on_conflict_do_nothing()
            await connection.execute(sealed_insert(made, "id"))
            found = await connection.execute(select(partners.c.id).where(partners.c.code == code))
            return int(found.scalar_one())

    async def create_charity(self, charity: Charity, now: datetime) -> Charity:
        """Creates a charity. Returns it with the certificates that it has."""
        values = {
            "code": charity.code,
            "name": charity.name,
            "credit_code": charity.credit_code,
            "create_time": now,
        }
        async with database.transaction(self._engine) as connection:
            row, _ = await _create(connection, charities, values, select(charities))
            _require_same(_charity(row), charity)
            return _charity(row, await _certificates(connection, [row.id]))

    async def add_certificate(self, code: str, certificate: Certificate, now: datetime) -> Charity:
        """Adds a certificate to a charity, unless it has it. Returns the charity.

        Raises Fault(CHARITY_NOT_FOUND), and those of certificates.is_new.
        """
        async with database.transaction(self._engine) as connection:
            found = await connection.execute(select(charities).where(charities.c.code == code))
            row = found.one_or_none()
            if row is None:
                raise _no_charity()
            await connection.execute(select(func.pg_advisory_xact_lock(_CERTIFYING, row.id)))
            held = (await _certificates(connection, [row.id])).get(row.id, ())
            if is_new(certificate, held, row.credit_code):
                values = {
                    "charity_id": row.id,
                    "number": certificate.number,
                    "valid_from": certificate.valid_from,
                    "valid_until": certificate.valid_until,
                    "create_time": now,
                    "seal_id": uuid7(),
                }
                await connection.execute(sealed_insert(insert(certificates).values(**values), "id"))
            return _charity(row, await _certificates(connection, [row.id]))

    async def create_project(self, project: Project, decider: Decider, now: datetime) -> None:
        """Creates a project. decider: who says when it closes, if that is said.

        Raises Fault(CHARITY_NOT_FOUND) if its charity is not there."""
        async with database.transaction(self._engine) as connection:
            charity_id = None
            if project.charity:
                charity_id = await _charity_id(connection, project.charity)
            values = {
                "code": project.code,
                "name": project.name,
                "charity_id": charity_id,
                "purpose": int(project.purpose),
                "organiser": project.organiser,
                "close_time": project.close_time,
                "create_time": now,
            }
            row, is_new = await _create(connection, projects, values, _PROJECTS)
            _require_same(_project(row), project)
            if is_new and project.close_time is not None:
                await closures.note(connection, row.id, project.close_time, decider, now)

    async def close_project(
        self, code: str, close_time: datetime, decider: Decider, now: datetime
    ) -> Project:
        """Closes a project from a moment on, unless it closes then. Returns the project.

        Raises Fault(PROJECT_NOT_FOUND), and those of rules.is_to_close.
        """
        one = _PROJECTS.where(projects.c.code == code)
        async with database.transaction(self._engine) as connection:
            found = await connection.execute(one.with_for_update(of=projects))
            row = found.one_or_none()
            if row is None:
                raise _no_project()
            project = _project(row)
            if not is_to_close(project, close_time, now):
                return project
            await connection.execute(
                update(projects).where(projects.c.id == row.id).values(close_time=close_time)
            )
            await closures.note(connection, row.id, close_time, decider, now)
            return replace(project, close_time=close_time)

    async def create_campaign(self, campaign: Campaign, now: datetime) -> None:
        """Creates a campaign."""
        values = {
            "code": campaign.code,
            "name": campaign.name,
            "start_time": campaign.start_time,
            "end_time": campaign.end_time,
            "time_zone": campaign.time_zone,
            "create_time": now,
        }
        async with database.transaction(self._engine) as connection:
            row, _ = await _create(connection, campaigns, values, select(campaigns))
            _require_same(_campaign(row), campaign)

    async def charity(self, code: str) -> Charity:
        """Raises Fault(CHARITY_NOT_FOUND)."""
        async with self._engine.connect() as connection:
            found = await connection.execute(select(charities).where(charities.c.code == code))
            row = found.one_or_none()
            if row is None:
                raise _no_charity()
            return _charity(row, await _certificates(connection, [row.id]))

    async def project(self, code: str) -> Project:
        """Raises Fault(PROJECT_NOT_FOUND)."""
        row = await self._one(_PROJECTS.where(projects.c.code == code))
        if row is None:
            raise _no_project()
        return _project(row)

    async def campaign(self, code: str) -> Campaign:
        """Raises Fault(CAMPAIGN_NOT_FOUND)."""
        row = await self._one(select(campaigns).where(campaigns.c.code == code))
        if row is None:
            raise Fault(Reason.CAMPAIGN_NOT_FOUND, "there is no campaign of this code")
        return _campaign(row)

    async def charities(self, after: str, limit: int) -> list[Charity]:
        """A page of charities."""
        page = select(charities).where(charities.c.code > after).order_by(charities.c.code)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(page.limit(limit))).all()
            held = await _certificates(connection, [row.id for row in rows])
        return [_charity(row, held) for row in rows]

    async def projects(self, after: str, limit: int) -> list[Project]:
        """A page of projects."""
        return [_project(row) for row in await self._page(_PROJECTS, projects, after, limit)]

    async def campaigns(self, after: str, limit: int) -> list[Campaign]:
        """A page of campaigns."""
        return [
            _campaign(row) for row in await self._page(select(campaigns), campaigns, after, limit)
        ]

    async def _one(self, query: Select[Any]) -> Row[Any] | None:
        async with self._engine.connect() as connection:
            row: Row[Any] | None = (await connection.execute(query)).one_or_none()
            return row

    async def _page(
        self, query: Select[Any], table: Table, after: str, limit: int
    ) -> list[Row[Any]]:
        page = query.where(table.c.code > after).order_by(table.c.code).limit(limit)
        async with self._engine.connect() as connection:
            return list((await connection.execute(page)).all())


async def _create(
    connection: AsyncConnection, table: Table, values: Mapping[str, Any], query: Select[Any]
) -> tuple[Row[Any], bool]:
    """Inserts a row unless its code is taken; returns what stands under the code, and whether it
    was inserted now.
    """
    new = insert(table).values(**values, seal_id=uuid7()).on_conflict_do_nothing()
    made = (await connection.execute(sealed_insert(new, "id"))).one_or_none()
    found = await connection.execute(query.where(table.c.code == values["code"]))
    return found.one(), made is not None


async def _charity_id(connection: AsyncConnection, code: str) -> int:
    found = await connection.execute(select(charities.c.id).where(charities.c.code == code))
    charity_id = found.scalar_one_or_none()
    if charity_id is None:
        raise Fault(
            Reason.CHARITY_NOT_FOUND,
            "there is no charity of this code; create it first",
            field="project.charity",
        )
    return int(charity_id)


def _require_same(kept: Charity | Project | Campaign, given: Charity | Project | Campaign) -> None:
    if kept != given:
        raise Fault(
            Reason.CODE_TAKEN,
            f"the code {given.code} is taken by another one; codes are never used twice",
            field="code",
        )


async def _certificates(
    connection: AsyncConnection, charity_ids: Sequence[int] | None = None
) -> dict[int, tuple[Certificate, ...]]:
    """The certificates of these charities, all if None, in the order of days; by charity id."""
    query = select(certificates)
    if charity_ids is not None:
        query = query.where(certificates.c.charity_id.in_(charity_ids))
    held: dict[int, tuple[Certificate, ...]] = {}
    for row in await connection.execute(query):
        certificate = Certificate(row.valid_from, row.valid_until, row.number)
        held[row.charity_id] = tuple(sorted((*held.get(row.charity_id, ()), certificate)))
    return held


def _charity(row: Row[Any], held: Mapping[int, tuple[Certificate, ...]] | None = None) -> Charity:
    return Charity(row.code, row.name, row.credit_code, (held or {}).get(row.id, ()))


def _no_charity() -> Fault:
    return Fault(Reason.CHARITY_NOT_FOUND, "there is no charity of this code")


def _no_project() -> Fault:
    return Fault(Reason.PROJECT_NOT_FOUND, "there is no project of this code")


def _project(row: Row[Any]) -> Project:
    return Project(
        row.code, row.name, row.charity, row.close_time, Purpose(row.purpose), row.organiser
    )


def _campaign(row: Row[Any]) -> Campaign:
    return Campaign(row.code, row.name, row.start_time, row.end_time, row.time_zone)
