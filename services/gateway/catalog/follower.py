"""Reads the catalog of intake again and again, so that totals come with names."""

import asyncio
import random
from typing import TypeVar

import grpc
import structlog
from watersmeet.donations.v1 import catalog_service_pb2 as pb
from watersmeet.donations.v1 import catalog_service_pb2_grpc as pb_grpc

from services.gateway.catalog.listing import Listing
from services.gateway.wire.convert_catalog import charity_of, project_of
from services.runtime.status import fault_from_rpc_error

_log = structlog.get_logger()

_Message = TypeVar("_Message", pb.Charity, pb.Project)

PROJECTS_MAX = 50_000
"""Projects, or charities, that are held; about 50 MB. Those of later codes are not listed."""

_PAGE = 1_000
_CALL_S = 10.0
_REFRESH_S = 60.0
_BACKOFF_S = (0.5, 30.0)


class CatalogFollower:
    """Keeps a listing as old as a minute at most, while intake answers."""

    def __init__(self, catalog: "pb_grpc.CatalogServiceAsyncStub", listing: Listing) -> None:
        self._catalog = catalog
        self._listing = listing

    async def run(self) -> None:
        """Runs until it is cancelled."""
        first, longest = _BACKOFF_S
        pause = first
        while True:
            try:
                await self.read()
            except grpc.aio.AioRpcError as error:
                fault = fault_from_rpc_error(error)
                _log.warning("the catalog could not be read", reason=fault.reason.value)
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
                continue
            pause = first
            # Never in step with other gateways.
            await asyncio.sleep(_REFRESH_S * random.uniform(0.8, 1.0))  # noqa: S311  no secret

    async def read(self) -> None:
        """Reads everything once. Raises grpc.aio.AioRpcError."""
        charities = {message.code: charity_of(message) for message in await self._charities()}
        projects = [project_of(message, charities) for message in await self._projects()]
        self._listing.load([project for project in projects if project is not None])

    async def _charities(self) -> list[pb.Charity]:
        found: list[pb.Charity] = []
        token = ""
        while len(found) < PROJECTS_MAX:
            request = pb.ListCharitiesRequest(page_size=_PAGE, page_token=token)
            answer = await self._catalog.ListCharities(request, timeout=_CALL_S)
            found += answer.charities
            token = answer.next_page_token
            if not token:
                return found
        return _cut("charities", found)

    async def _projects(self) -> list[pb.Project]:
        found: list[pb.Project] = []
        token = ""
        while len(found) < PROJECTS_MAX:
            request = pb.ListProjectsRequest(page_size=_PAGE, page_token=token)
            answer = await self._catalog.ListProjects(request, timeout=_CALL_S)
            found += answer.projects
            token = answer.next_page_token
            if not token:
                return found
        return _cut("projects", found)


def _cut(what: str, found: list[_Message]) -> list[_Message]:
    _log.error("the catalog is larger than what is listed", of=what, listed=len(found))
    return found
