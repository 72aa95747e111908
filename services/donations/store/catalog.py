"""Charities, projects, campaigns and partners."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Table, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donations.catalog.memory import (
    Campaign,
    Charity,
    KnownCampaign,
    KnownProject,
    Project,
    Snapshot,
)
from services.donations.domain import Purpose
from services.donations.models import campaigns, charities, partners, projects
from services.runtime import database
from services.runtime.errors import Fault, Reason

_PROJECTS = select(projects, func.coalesce(charities.c.code, "").label("charity")).outerjoin(
    charities, charities.c.id == projects.c.charity_id
)


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
            known_projects = await connection.execute(select(projects))
            known_campaigns = await connection.execute(select(campaigns))
            return Snapshot(
                {row.code: row.id for row in known_partners},
                {
                    row.code: KnownProject(row.id, Purpose(row.purpose), row.close_time)
                    for row in known_projects
                },
                {
                    row.code: KnownCampaign(row.id, row.start_time, row.end_time)
                    for row in known_campaigns
                },
            )

    async def add_partner(self, code: str) -> int:
        """The partner's id, made on first use."""
        async with database.transaction(self._engine) as connection:
            await connection.execute(insert(partners).values(code=code).on_conflict_do_nothing())
            found = await connection.execute(select(partners.c.id).where(partners.c.code == code))
            return int(found.scalar_one())

    async def create_charity(self, charity: Charity, now: datetime) -> None:
        """Creates a charity."""
        values = {
            "code": charity.code,
            "name": charity.name,
            "credit_code": charity.credit_code,
            "create_time": now,
        }
        async with database.transaction(self._engine) as connection:
            row = await _create(connection, charities, values, select(charities))
            _require_same(_charity(row), charity)

    async def create_project(self, project: Project, now: datetime) -> None:
        """Creates a project. Raises Fault(CHARITY_NOT_FOUND) if its charity is not there."""
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
            row = await _create(connection, projects, values, _PROJECTS)
            _require_same(_project(row), project)

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
            row = await _create(connection, campaigns, values, select(campaigns))
            _require_same(_campaign(row), campaign)

    async def charity(self, code: str) -> Charity:
        """Raises Fault(CHARITY_NOT_FOUND)."""
        row = await self._one(select(charities).where(charities.c.code == code))
        if row is None:
            raise Fault(Reason.CHARITY_NOT_FOUND, "there is no charity of this code")
        return _charity(row)

    async def project(self, code: str) -> Project:
        """Raises Fault(PROJECT_NOT_FOUND)."""
        row = await self._one(_PROJECTS.where(projects.c.code == code))
        if row is None:
            raise Fault(Reason.PROJECT_NOT_FOUND, "there is no project of this code")
        return _project(row)

    async def campaign(self, code: str) -> Campaign:
        """Raises Fault(CAMPAIGN_NOT_FOUND)."""
        row = await self._one(select(campaigns).where(campaigns.c.code == code))
        if row is None:
            raise Fault(Reason.CAMPAIGN_NOT_FOUND, "there is no campaign of this code")
        return _campaign(row)

    async def charities(self, after: str, limit: int) -> list[Charity]:
        """A page of charities."""
        return [
            _charity(row) for row in await self._page(select(charities), charities, after, limit)
        ]

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
) -> Row[Any]:
    """Inserts a row unless its code is taken; returns what stands under the code."""
    await connection.execute(insert(table).values(**values).on_conflict_do_nothing())
    found = await connection.execute(query.where(table.c.code == values["code"]))
    row: Row[Any] = found.one()
    return row


async def _charity_id(connection: AsyncConnection, code: str) -> int:
    found = await connection.execute(select(charities.c.id).where(charities.c.code == code))
    charity_id = found.scalar_one_or_none()
    if charity_id is None:
        raise Fault(
            Reason.CHARITY_NOT_FOUND,
            f"there is no charity {code}; create it first",
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


def _charity(row: Row[Any]) -> Charity:
    return Charity(row.code, row.name, row.credit_code)


def _project(row: Row[Any]) -> Project:
    return Project(
        row.code, row.name, row.charity, row.close_time, Purpose(row.purpose), row.organiser
    )


def _campaign(row: Row[Any]) -> Campaign:
    return Campaign(row.code, row.name, row.start_time, row.end_time, row.time_zone)
