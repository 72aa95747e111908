"""CatalogService: convert, call, convert."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

from watersmeet.donations.v1 import catalog_service_pb2 as pb
from watersmeet.donations.v1 import catalog_service_pb2_grpc as pb_grpc

from services.donations.catalog.certificates import require_certificate
from services.donations.catalog.closures import Decider
from services.donations.catalog.memory import Catalog, Project
from services.donations.catalog.rules import require_campaign, require_charity, require_project
from services.donations.domain import moment_of
from services.donations.gifts.validation import require_code
from services.donations.store.catalog import CatalogStore
from services.donations.store.closures import ClosureReader
from services.donations.wire import convert_catalog as convert
from services.donations.wire.convert import required_micros
from services.runtime.call import current_call
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Role
from services.runtime.paging import page_size, position_of, token_after


class _Coded(Protocol):
    @property
    def code(self) -> str: ...


class _ListRequest(Protocol):
    page_size: int
    page_token: str


_Item = TypeVar("_Item", bound=_Coded)


class CatalogService(pb_grpc.CatalogServiceServicer):
    """The handlers. What each does and which errors it has stands in the proto."""

    def __init__(
        self, store: CatalogStore, closures: ClosureReader, catalog: Catalog, clock: Clock
    ) -> None:
        self._store = store
        self._closures = closures
        self._catalog = catalog
        self._clock = clock

    async def CreateCharity(
        self, request: pb.CreateCharityRequest, _context: Any
    ) -> pb.CreateCharityResponse:
        _require(request, "charity")
        charity = require_charity(convert.charity_of(request.charity))
        charity = await self._store.create_charity(charity, self._clock())
        return pb.CreateCharityResponse(charity=convert.charity_message(charity))

    async def GetCharity(
        self, request: pb.GetCharityRequest, _context: Any
    ) -> pb.GetCharityResponse:
        charity = await self._store.charity(require_code(request.code, "code"))
        return pb.GetCharityResponse(charity=convert.charity_message(charity))

    async def ListCharities(
        self, request: pb.ListCharitiesRequest, _context: Any
    ) -> pb.ListCharitiesResponse:
        found, token = await _page("ListCharities", request, self._store.charities)
        return pb.ListCharitiesResponse(
            charities=map(convert.charity_message, found), next_page_token=token
        )

    async def AddCertificate(
        self, request: pb.AddCertificateRequest, _context: Any
    ) -> pb.AddCertificateResponse:
        _require(request, "certificate")
        code = require_code(request.charity, "charity")
        certificate = require_certificate(convert.certificate_of(request.certificate))
        charity = await self._store.add_certificate(code, certificate, self._clock())
        await self._catalog.refresh()
        return pb.AddCertificateResponse(charity=convert.charity_message(charity))

    async def CreateProject(
        self, request: pb.CreateProjectRequest, _context: Any
    ) -> pb.CreateProjectResponse:
        _require(request, "project")
        project = require_project(convert.project_of(request.project))
        await self._store.create_project(project, _decider(), self._clock())
        await self._catalog.refresh()
        return pb.CreateProjectResponse(project=convert.project_message(project))

    async def CloseProject(
        self, request: pb.CloseProjectRequest, _context: Any
    ) -> pb.CloseProjectResponse:
        code = require_code(request.code, "code")
        close_time = moment_of(required_micros(request, "close_time"))
        project = await self._store.close_project(code, close_time, _decider(), self._clock())
        await self._catalog.refresh()
        return pb.CloseProjectResponse(project=await self._with_closures(project))

    async def GetProject(
        self, request: pb.GetProjectRequest, _context: Any
    ) -> pb.GetProjectResponse:
        project = await self._store.project(require_code(request.code, "code"))
        return pb.GetProjectResponse(project=await self._with_closures(project))

    async def ListProjects(
        self, request: pb.ListProjectsRequest, _context: Any
    ) -> pb.ListProjectsResponse:
        found, token = await _page("ListProjects", request, self._store.projects)
        return pb.ListProjectsResponse(
            projects=map(convert.project_message, found), next_page_token=token
        )

    async def CreateCampaign(
        self, request: pb.CreateCampaignRequest, _context: Any
    ) -> pb.CreateCampaignResponse:
        _require(request, "campaign")
        campaign = require_campaign(convert.campaign_of(request.campaign))
        await self._store.create_campaign(campaign, self._clock())
        await self._catalog.refresh()
        return pb.CreateCampaignResponse(campaign=convert.campaign_message(campaign))

    async def GetCampaign(
        self, request: pb.GetCampaignRequest, _context: Any
    ) -> pb.GetCampaignResponse:
        campaign = await self._store.campaign(require_code(request.code, "code"))
        return pb.GetCampaignResponse(campaign=convert.campaign_message(campaign))

    async def ListCampaigns(
        self, request: pb.ListCampaignsRequest, _context: Any
    ) -> pb.ListCampaignsResponse:
        found, token = await _page("ListCampaigns", request, self._store.campaigns)
        return pb.ListCampaignsResponse(
            campaigns=map(convert.campaign_message, found), next_page_token=token
        )

    async def _with_closures(self, project: Project) -> pb.Project:
        """A project with all decisions on when it closes; partners are told no decider."""
        message = convert.project_message(project)
        names_decider = current_call().caller.role is not Role.PARTNER
        message.closures.extend(
            convert.closure_message(closure, names_decider=names_decider)
            for closure in await self._closures.of_project(project.code)
        )
        return message


def _decider() -> Decider:
    call = current_call()
    return Decider(str(call.caller), UUID(call.request_id))


def _require(request: Any, field: str) -> None:
    if not request.HasField(field):
        raise Fault(Reason.FIELD_REQUIRED, f"{field} is required", field=field)


async def _page(
    method: str,
    request: _ListRequest,
    fetch: Callable[[str, int], Awaitable[Sequence[_Item]]],
) -> tuple[Sequence[_Item], str]:
    """One page, and the token of the next one."""
    after = ""
    if request.page_token:
        after = position_of(request.page_token, method).text()
    size = page_size(request.page_size)
    # One more than asked for says whether there is another page.
    found = await fetch(after, size + 1)
    token = token_after([found[size - 1].code], method) if len(found) > size else ""
    return found[:size], token
